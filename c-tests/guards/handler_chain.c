/* Two handlers of SIGSEGV, the later of which calls the earlier, as crash reporters do. Objects are
 * guarded after each was set, so that the report's handler stands in front of both: a fault reaches
 * both, once each. With "again" the later one is set a second time and finds itself behind the
 * report's handler; it is called twice at most, and the process dies of the fault. */
#include "../check.h"
#include <setjmp.h>
#include <signal.h>

static sigjmp_buf out;
static struct sigaction before;
static volatile sig_atomic_t earlier_calls, later_calls;

static void earlier(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    CHECK(info->si_addr == (void *)16, "the address is lost");
    earlier_calls++;
    siglongjmp(out, 1);
}

static void later(int signal, siginfo_t *info, void *context)
{
    if (later_calls++ == 2)
        _exit(9);
    before.sa_sigaction(signal, info, context);
}

static void set(void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction mine;
    memset(&mine, 0, sizeof mine);
    mine.sa_sigaction = handler;
    mine.sa_flags = SA_SIGINFO;
    CHECK(sigaction(SIGSEGV, &mine, &before) == 0, "");
    CHECK(before.sa_flags & SA_SIGINFO, "the report's handler is not in front");
    free(opaque(malloc(10)));
}

int main(int count, char **arguments)
{
    int again = count == 2 && !strcmp(arguments[1], "again");
    free(opaque(malloc(10)));
    if (!again)
        set(earlier);
    set(later);
    if (again)
        set(later);
    if (sigsetjmp(out, 1) == 0)
        *(volatile char *)16 = 1;
    CHECK(earlier_calls == 1, "the earlier handler was called %d times", (int)earlier_calls);
    CHECK(later_calls == 1, "the later handler was called %d times", (int)later_calls);
    return 0;
}
