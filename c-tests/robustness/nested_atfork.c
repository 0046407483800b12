/* A library whose handler of fork forks itself, in front of the allocator's
   handlers: at that moment the outer fork has all of its locks. The inner one
   must not give them back. */
#include "check.h"
#include <pthread.h>
#include <sys/wait.h>

static _Thread_local int within;

static void fork_within(void)
{
    if (within)
        return;
    within = 1;
    free(malloc(100));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(60);
        for (size_t n = 1; n < 1 << 20; n = n * 2 + 3)
            free(malloc(n));
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0, "%#x", status);
    free(malloc(3000));
    within = 0;
}

__attribute__((constructor)) static void begin(void)
{
    if (pthread_atfork(fork_within, NULL, NULL) != 0)
        _exit(3);
}
