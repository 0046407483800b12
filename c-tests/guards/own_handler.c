/* A program with a handler of SIGSEGV of its own, set when Cairn has begun. The first argument says of
   which form: "full", "plain", "chained" (it calls what was there before), "default", "ignored". The
   access that a guard stopped is told, and the handler is called all the same. */
#include "../check.h"
#include <setjmp.h>
#include <signal.h>

static sigjmp_buf back;
static struct sigaction before;
static void *volatile seen;
static const char *form;

static void full(int signal, siginfo_t *info, void *context)
{
    seen = info->si_addr;
    if (!strcmp(form, "chained") && before.sa_flags & SA_SIGINFO) {
        before.sa_sigaction(signal, info, context);
        return;
    }
    siglongjmp(back, 1);
}

static void plain(int signal)
{
    (void)signal;
    siglongjmp(back, 1);
}

int main(int count, char **arguments)
{
    CHECK(count == 2);
    form = arguments[1];
    struct sigaction mine;
    memset(&mine, 0, sizeof mine);
    if (!strcmp(form, "plain")) {
        mine.sa_handler = plain;
    } else if (!strcmp(form, "default")) {
        mine.sa_handler = SIG_DFL;
    } else if (!strcmp(form, "ignored")) {
        mine.sa_handler = SIG_IGN;
    } else {
        mine.sa_sigaction = full;
        mine.sa_flags = SA_SIGINFO;
    }
    CHECK(sigaction(SIGSEGV, &mine, &before) == 0);
    volatile char *p = malloc(48);
    free((char *)p);
    /* Another fault is the program's own affair. */
    if (!strcmp(form, "full") && !sigsetjmp(back, 1)) {
        *(volatile char *)opaque((void *)8) = 1;
    }
    if (!strcmp(form, "full")) {
        CHECK(seen == (void *)8);
    }
    if (!strcmp(form, "ignored")) {
        /* What a process sends is ignored as it was. */
        raise(SIGSEGV);
    }
    if (!sigsetjmp(back, 1)) {
        p[3] = 1;
        CHECK(!"the access went on");
    }
    if (!strcmp(form, "full")) {
        CHECK(seen == (void *)(p + 3));
    }
    return 0;
}
