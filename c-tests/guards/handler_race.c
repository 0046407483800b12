/* One thread sets a handler and faults, again and again, while others get guarded objects: each fault
 * goes to the handler that was set last. */
#include "../check.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>

enum { FAULTS = 100000 };
static sigjmp_buf out;
static volatile sig_atomic_t by;
static volatile int over;

static void first(int signal)
{
    (void)signal;
    by = 1;
    siglongjmp(out, 1);
}

static void second(int signal)
{
    (void)signal;
    by = 2;
    siglongjmp(out, 1);
}

static void *work(void *unused)
{
    while (!over)
        free(opaque(malloc(100)));
    return unused;
}

int main(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, work, NULL) == 0, "");
    for (int i = 0; i < FAULTS; i++) {
        struct sigaction mine;
        memset(&mine, 0, sizeof mine);
        mine.sa_handler = i % 2 == 0 ? first : second;
        CHECK(sigaction(SIGSEGV, &mine, NULL) == 0, "");
        by = 0;
        if (sigsetjmp(out, 1) == 0)
            *(volatile char *)16 = 1;
        CHECK(by == 1 + i % 2, "fault %d went to handler %d", i, (int)by);
    }
    over = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
