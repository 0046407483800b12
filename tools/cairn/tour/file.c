/* One file, mapped as MAP_SHARED and as MAP_PRIVATE: who sees a write. */
#include "tour.h"
#include <sys/mman.h>

enum { PAGE = 4096 };

int main(void)
{
    char name[] = "tour-XXXXXX";
    int file = mkstemp(name);
    if (file < 0 || unlink(name) != 0 || ftruncate(file, 2 * PAGE) != 0)
        return 1;
    int both = PROT_READ | PROT_WRITE;
    char *shared = mmap(NULL, 2 * PAGE, both, MAP_SHARED, file, 0);
    char *private = mmap(NULL, 2 * PAGE, both, MAP_PRIVATE, file, 0);
    if (shared == MAP_FAILED || private == MAP_FAILED)
        return 1;
    place("shared", shared);
    place("private", private);
    char byte = 0;
    shared[0] = 's';
    fact("msync", (unsigned long)msync(shared, 2 * PAGE, MS_SYNC));
    if (pread(file, &byte, 1, 0) != 1)
        return 1;
    fact("file-has", (unsigned long)byte);
    fact("private-sees", (unsigned long)private[0]);
    stop("written through MAP_SHARED");
    private[PAGE] = 'p';
    fact("msync", (unsigned long)msync(private, 2 * PAGE, MS_SYNC));
    if (pread(file, &byte, 1, PAGE) != 1)
        return 1;
    fact("file-has", (unsigned long)byte);
    fact("shared-sees", (unsigned long)shared[PAGE]);
    stop("written through MAP_PRIVATE");
    return 0;
}
