/* A program asks what SIGSEGV did, sets a handler for a while, and sets back what was there, as programs
 * do that try whether an address can be read. In between objects are guarded, so the report's handler
 * comes in front again. The last access is nobody's to handle: SIGSEGV ends the process. */
#include "../check.h"
#include <setjmp.h>
#include <signal.h>

static sigjmp_buf out;
static volatile sig_atomic_t tried;

static void jump(int signal)
{
    (void)signal;
    if (tried++ != 0)
        _exit(9); /* It was taken back. */
    siglongjmp(out, 1);
}

int main(void)
{
    struct sigaction mine, before;
    memset(&mine, 0, sizeof mine);
    mine.sa_handler = jump;
    free(opaque(malloc(10)));
    CHECK(sigaction(SIGSEGV, &mine, &before) == 0, "");
    free(opaque(malloc(10)));
    if (sigsetjmp(out, 1) == 0)
        *(volatile char *)16 = 1;
    CHECK(tried == 1, "the program's handler was not called");
    CHECK(sigaction(SIGSEGV, &before, NULL) == 0, "");
    free(opaque(malloc(10)));
    *(volatile char *)16 = 1;
    return 8;
}
