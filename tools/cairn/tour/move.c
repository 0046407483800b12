/* A mapped chunk grows by mremap: its pages get other addresses, and no byte
   is copied. */
#include "tour.h"
#include <errno.h>
#include <sys/mman.h>

enum { PAGE = 4096, PAGES = 4096 };

int main(void)
{
    char *chunk = malloc((size_t)PAGES * PAGE);
    if (chunk == NULL)
        return 1;
    for (int i = 0; i < PAGES; i++)
        chunk[i * PAGE] = (char)(i | 1);
    place("chunk", chunk);
    /* Something right behind it, so that it cannot just become longer. */
    char *end = chunk + (size_t)PAGES * PAGE;
    end = (char *)(((unsigned long)end + PAGE - 1) & ~(PAGE - 1ul));
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    void *wall = mmap(end, PAGE, PROT_NONE, flags, -1, 0);
    /* Where something is there already, that is the wall. */
    fact("wall", wall == end || errno == EEXIST);
    stop("16 MiB, all written");
    unsigned long before = minor_faults();
    chunk = realloc(chunk, (size_t)2 * PAGES * PAGE);
    if (chunk == NULL)
        return 1;
    fact("faults", minor_faults() - before);
    place("chunk", chunk);
    unsigned long wrong = 0;
    for (int i = 0; i < PAGES; i++)
        wrong += chunk[i * PAGE] != (char)(i | 1);
    fact("wrong", wrong);
    stop("realloc to 32 MiB");
    return 0;
}
