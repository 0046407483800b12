/* Two handlers of SIGSEGV, the later of which calls the earlier, as crash reporters do: a fault reaches
 * both, once each. The first argument says how:
 *   between  objects are guarded after each was set, so that the report's handler is in front of both
 *   late     none is until the later handler allocates itself
 *   raised   the same, and the process sends itself the signal
 *   default  the same of a fault, and the later one first sets what is there by default
 *   signal   both are set by `signal`, and called with the signal alone
 *   again    the later one is set twice, and finds itself: it is called once, and the process dies */
#include "../check.h"
#include <setjmp.h>
#include <signal.h>

static sigjmp_buf out;
static struct sigaction before;
static void (*plainly_before)(int);
static volatile sig_atomic_t earlier_calls, later_calls;
static const char *how;

static void guard(void)
{
    free(opaque(malloc(10)));
}

static int is(const char *name)
{
    return strcmp(how, name) == 0;
}

static void earlier(int signal, siginfo_t *info, void *context)
{
    CHECK(signal == SIGSEGV && context != NULL, "");
    CHECK(is("raised") ? info->si_code == SI_TKILL : info->si_addr == (void *)16, "what it says is lost");
    earlier_calls++;
    siglongjmp(out, 1);
}

static void later(int number, siginfo_t *info, void *context)
{
    later_calls++;
    if (is("again") && later_calls == 2)
        _exit(9);
    if (is("default"))
        signal(SIGSEGV, SIG_DFL);
    if (!is("between") && !is("again"))
        guard();
    before.sa_sigaction(number, info, context);
}

static void plainly_earlier(int number)
{
    CHECK(number == SIGSEGV, "");
    earlier_calls++;
    siglongjmp(out, 1);
}

static void plainly_later(int number)
{
    later_calls++;
    guard();
    plainly_before(number);
}

static void set(void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction mine;
    memset(&mine, 0, sizeof mine);
    mine.sa_sigaction = handler;
    mine.sa_flags = SA_SIGINFO;
    CHECK(sigaction(SIGSEGV, &mine, &before) == 0, "");
    CHECK(before.sa_flags & SA_SIGINFO, "the report's handler is not in front");
}

int main(int count, char **arguments)
{
    CHECK(count == 2, "");
    how = arguments[1];
    guard();
    if (is("signal")) {
        signal(SIGSEGV, plainly_earlier);
        guard();
        plainly_before = signal(SIGSEGV, plainly_later);
        guard();
    } else {
        set(is("again") ? later : earlier);
        guard();
        set(later);
        if (is("between") || is("again"))
            guard();
    }
    if (sigsetjmp(out, 1) == 0) {
        if (is("raised"))
            raise(SIGSEGV);
        else
            *(volatile char *)16 = 1;
    }
    CHECK(earlier_calls == 1, "the earlier handler was called %d times", (int)earlier_calls);
    CHECK(later_calls == 1, "the later handler was called %d times", (int)later_calls);
    return 0;
}
