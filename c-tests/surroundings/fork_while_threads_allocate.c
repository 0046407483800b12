/* A threaded program forks while its other threads allocate: the child, its
   child and its grandchild can allocate and free at once, also memory that
   other threads of the parent had allocated. */
#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>

enum { ALLOCATING = 4, FORKING = 2, FORKS = 100, SHARED = 256 };

static atomic_int stop;
static _Atomic(void *) shared[SHARED];

static void *allocate(void *number)
{
    uint64_t state = (uint64_t)(uintptr_t)number * 7919 + 17;
    while (!atomic_load(&stop)) {
        churn((unsigned)next_random(&state), 200);
        for (int at = 0; at < 32; at++) {
            void *fresh = malloc(some_size(&state));
            CHECK(fresh != NULL);
            void *old = atomic_exchange(&shared[next_random(&state) % SHARED], fresh);
            free(old);
        }
    }
    return NULL;
}

static void descend(int generations)
{
    churn((unsigned)getpid(), 300);
    if (generations > 0) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            descend(generations - 1);
            _exit(0);
        }
        churn(1, 100);
        check_child(child);
    }
}

static void *work_in_child(void *unused)
{
    churn((unsigned)getpid(), 500);
    return unused;
}

static void *fork_often(void *unused)
{
    for (int count = 0; count < FORKS; count++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            for (int at = 0; at < SHARED; at++)
                free(atomic_exchange(&shared[at], NULL));
            descend(count % 10 == 0 ? 2 : 0);
            if (count % 10 == 5) {
                pthread_t thread;
                CHECK(pthread_create(&thread, NULL, work_in_child, NULL) == 0);
                churn(3, 500);
                CHECK(pthread_join(thread, NULL) == 0);
            }
            if (count % 3 == 0)
                exit(0);
            _exit(0);
        }
        churn(2, 20);
        check_child(child);
    }
    return unused;
}

int main(void)
{
    check_served();
    pthread_t allocating[ALLOCATING], forking[FORKING];
    for (uintptr_t at = 0; at < ALLOCATING; at++)
        CHECK(pthread_create(&allocating[at], NULL, allocate, (void *)(at + 1)) == 0);
    for (int at = 0; at < FORKING; at++)
        CHECK(pthread_create(&forking[at], NULL, fork_often, NULL) == 0);
    for (int at = 0; at < FORKING; at++)
        CHECK(pthread_join(forking[at], NULL) == 0);
    atomic_store(&stop, 1);
    for (int at = 0; at < ALLOCATING; at++)
        CHECK(pthread_join(allocating[at], NULL) == 0);
    for (int at = 0; at < SHARED; at++)
        free(atomic_exchange(&shared[at], NULL));
    return 0;
}
