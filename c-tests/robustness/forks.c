/* Forks from the main thread and from another while threads allocate; children
   fork in their turn. What fork's handlers do is the preloaded library's. */
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

static atomic_int stop;

static void work(unsigned seed)
{
    static _Thread_local char *held[64];
    for (unsigned i = 0; i < 2000; i++) {
        seed = seed * 1103515245 + 12345;
        unsigned at = (seed >> 16) % 64;
        free(held[at]);
        held[at] = malloc((seed >> 8) % (i % 50 == 0 ? 200000 : 700));
        CHECK(held[at] != NULL);
    }
    for (unsigned at = 0; at < 64; at++) {
        free(held[at]);
        held[at] = NULL;
    }
}

static void *allocate(void *seed)
{
    while (!atomic_load(&stop))
        work((unsigned)(uintptr_t)seed);
    return NULL;
}

static void forks(int count, int generations)
{
    for (int i = 0; i < count; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            work((unsigned)i);
            if (generations > 0)
                forks(1, generations - 1);
            _exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(status == 0, "%#x", status);
    }
}

static void *fork_too(void *unused)
{
    forks(20, 1);
    return unused;
}

int main(void)
{
    pthread_t threads[3];
    forks(5, 2);
    for (uintptr_t i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, allocate, (void *)(i + 1)) == 0);
    CHECK(pthread_create(&threads[2], NULL, fork_too, NULL) == 0);
    forks(20, 1);
    CHECK(pthread_join(threads[2], NULL) == 0);
    atomic_store(&stop, 1);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    work(9);
    return 0;
}
