/* A fork copies nothing; who writes then copies, page by page. */
#include "tour.h"
#include <sys/mman.h>
#include <sys/wait.h>

enum { PAGE = 4096, PAGES = 64 };

int main(void)
{
    char *pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return 1;
    madvise(pages, PAGES * PAGE, MADV_NOHUGEPAGE);
    for (int i = 0; i < PAGES; i++)
        pages[i * PAGE] = 1;
    place("pages", pages);
    stop("before the fork");
    pid_t child = fork();
    if (child == 0) {
        fact("child", (unsigned long)getpid());
        stop("after the fork");
        unsigned long before = minor_faults();
        for (int i = 0; i < PAGES; i += 4)
            pages[i * PAGE] = 2;
        fact("copied", minor_faults() - before);
        stop("the child wrote every fourth page");
        _exit(0);
    }
    if (child < 0 || waitpid(child, NULL, 0) != child)
        return 1;
    fact("byte", (unsigned long)pages[0]);
    stop("the child has ended");
    return 0;
}
