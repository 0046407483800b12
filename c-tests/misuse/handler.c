/* Usage: handler
   A signal handler asks for memory that no cache has, while the same thread is within the allocator
   most of its time: in a walk that takes every lock and changes nothing. */
#include "check.h"
#include <signal.h>
#include <sys/time.h>
#include <time.h>

enum { SECONDS = 20 };

static volatile sig_atomic_t calls;

static void on_tick(int sig)
{
    (void)sig;
    if (opaque(malloc(100000)) == NULL)
        _exit(3);
    calls++;
}

int main(void)
{
    /* Something to look at. */
    for (int i = 0; i < 20000; i++)
        CHECK(malloc(700 + i % 5 * 100) != NULL);
    struct sigaction action = { .sa_handler = on_tick, .sa_flags = SA_RESTART };
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = { { 0, 500 }, { 0, 500 } };
    setitimer(ITIMER_REAL, &often, NULL);
    time_t end = time(NULL) + SECONDS;
    while (time(NULL) < end)
        mallinfo2();
    return 0;
}
