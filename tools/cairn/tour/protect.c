/* A page that may not be written, and the fault that who writes it gets. */
#include "tour.h"
#include <signal.h>
#include <sys/mman.h>

enum { PAGE = 4096 };

static char *pages;
static volatile unsigned long faults, where, refused;

static void fault(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    faults++;
    where = (unsigned long)info->si_addr;
    refused = info->si_code == SEGV_ACCERR;
    /* The write is made once more when this returns, and succeeds. */
    mprotect(pages + PAGE, PAGE, PROT_READ | PROT_WRITE);
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = fault,
                               .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    pages = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + PAGE, PAGE, PROT_READ) != 0)
        return 1;
    place("pages", pages);
    stop("the page in the middle is read-only");
    pages[PAGE + 5] = 1;
    fact("faults", faults);
    place("at", (void *)where);
    fact("refused", refused);
    fact("byte", (unsigned long)pages[PAGE + 5]);
    stop("written all the same");
    return 0;
}
