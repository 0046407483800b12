/* A handler that interrupts anything but the allocator may allocate, free what
   the program allocated, and hand memory to it; also on an alternate stack and
   in threads. */
#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

enum { SIGNALS = 3000, THREADS = 3 };

static _Thread_local volatile sig_atomic_t in_allocator;
static _Thread_local volatile sig_atomic_t handled;
static _Thread_local char *handed;
static atomic_int done;

static void on_signal(int signal)
{
    (void)signal;
    if (in_allocator)
        return;
    int kept = errno;
    churn((unsigned)handled, 30);
    free(handed);
    handed = malloc(40 + (size_t)handled % 3000);
    CHECK(handed != NULL);
    fill(handed, 40, 8);
    handled = handled + 1;
    errno = kept;
}

static void *compute(void *unused)
{
    /* The signals may come from the thread's first instruction on. */
    in_allocator = 1;
    void *stack = malloc(65536);
    CHECK(stack != NULL);
    stack_t alternate = {0};
    alternate.ss_sp = stack;
    alternate.ss_size = 65536;
    CHECK(sigaltstack(&alternate, NULL) == 0);
    in_allocator = 0;
    volatile double sum = 0;
    for (unsigned round = 0; handled < SIGNALS; round++) {
        for (int at = 0; at < 2000; at++)
            sum = sum + at * 0.5;
        in_allocator = 1;
        if (handed != NULL)
            CHECK(is_filled(handed, 40, 8));
        churn(round, 10);
        in_allocator = 0;
    }
    in_allocator = 1;
    alternate.ss_flags = SS_DISABLE;
    CHECK(sigaltstack(&alternate, NULL) == 0);
    free(stack);
    free(handed);
    handed = NULL;
    atomic_fetch_add(&done, 1);
    return unused;
}

int main(void)
{
    check_served();
    struct sigaction action = {0};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART | SA_ONSTACK;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    in_allocator = 1;
    pthread_t threads[THREADS];
    for (int at = 0; at < THREADS; at++)
        CHECK(pthread_create(&threads[at], NULL, compute, NULL) == 0);
    while (atomic_load(&done) < THREADS) {
        for (int at = 0; at < THREADS; at++) {
            int sent = pthread_kill(threads[at], SIGUSR1);
            /* Of one that is done an older glibc says that it is gone. */
            CHECK(sent == 0 || sent == ESRCH);
        }
        usleep(20);
    }
    for (int at = 0; at < THREADS; at++)
        CHECK(pthread_join(threads[at], NULL) == 0);
    return 0;
}
