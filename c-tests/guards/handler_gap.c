/* What the program sets just while the report's handler is put in stays set. The moment is met by
 * standing in front of libc's `syscall`, by which that happens. The first argument says what is set:
 *   back   what was there before, which the report's handler is in front of already
 *   once   a handler that is to be called once
 *   other  another handler */
#include "../check.h"
#include "../kernel.h"
#include <setjmp.h>
#include <signal.h>

static sigjmp_buf out;
static volatile sig_atomic_t by;
static void (*volatile meanwhile)(void);
static struct sigaction before;

long syscall(long number, ...)
{
    long with[6];
    TAKE_ARGUMENTS(with, number);
    if (number == SYS_rt_sigaction && with[0] == SIGSEGV && with[1] != 0 && meanwhile != NULL) {
        void (*now)(void) = meanwhile;
        meanwhile = NULL;
        now();
    }
    return answer(kernel(number, with[0], with[1], with[2], with[3], with[4], with[5]));
}

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

static void set(void (*handler)(int), int flags, struct sigaction *old)
{
    struct sigaction mine;
    memset(&mine, 0, sizeof mine);
    mine.sa_handler = handler;
    mine.sa_flags = flags;
    CHECK(sigaction(SIGSEGV, &mine, old) == 0, "");
}

static void back(void)
{
    CHECK(sigaction(SIGSEGV, &before, NULL) == 0, "");
}

static void once(void)
{
    set(second, SA_RESETHAND, NULL);
}

static void other(void)
{
    set(second, 0, NULL);
}

int main(int count, char **arguments)
{
    CHECK(count == 2, "");
    const char *what = arguments[1];
    int is_back = strcmp(what, "back") == 0;
    set(first, 0, NULL);
    if (is_back) {
        free(opaque(malloc(10)));
        set(second, 0, &before);
    }
    meanwhile = is_back ? back : strcmp(what, "once") == 0 ? once : other;
    free(opaque(malloc(10)));
    CHECK(meanwhile == NULL, "the moment was not met");
    free(opaque(malloc(10)));
    if (sigsetjmp(out, 1) == 0)
        *(volatile char *)16 = 1;
    CHECK(by == (is_back ? 1 : 2), "the fault went to handler %d", (int)by);
    return 0;
}
