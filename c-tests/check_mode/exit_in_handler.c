/* exit() from a handler that interrupted the allocator: no second look then. */
#include "check.h"
#include <signal.h>
#include <sys/time.h>

static void leave(int signal)
{
    exit(signal == SIGALRM ? 0 : 1);
}

int main(void)
{
    signal(SIGALRM, leave);
    struct itimerval soon = { { 0, 0 }, { 0, 20000 } };
    CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
    for (;;)
        free(opaque(malloc(40)));
}
