/* Memory is there once it is touched: minor faults. A file's pages may wait
   for a disk: major ones. */
#include "tour.h"
#include <fcntl.h>
#include <sys/mman.h>

enum { PAGE = 4096, PAGES = 1024, FILE_PAGES = 64 };

int main(void)
{
    char *memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 1;
    madvise(memory, PAGES * PAGE, MADV_NOHUGEPAGE);
    place("memory", memory);
    stop("mapped");
    unsigned long before = minor_faults();
    for (int i = 0; i < PAGES / 2; i++)
        memory[i * PAGE] = 1;
    fact("minor", minor_faults() - before);
    stop("half of it written");

    char name[] = "tour-XXXXXX";
    int file = mkstemp(name);
    if (file < 0 || unlink(name) != 0)
        return 1;
    for (int i = 0; i < FILE_PAGES; i++)
        if (write(file, memory, PAGE) != PAGE)
            return 1;
    /* Out of memory with it: only the disk has it now, if there is one. */
    fsync(file);
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    char *mapped = mmap(NULL, FILE_PAGES * PAGE, PROT_READ, MAP_SHARED,
                        file, 0);
    if (mapped == MAP_FAILED)
        return 1;
    unsigned char there[FILE_PAGES];
    mincore(mapped, FILE_PAGES * PAGE, there);
    fact("cached", there[FILE_PAGES / 2] & 1);
    before = major_faults();
    volatile char byte = mapped[FILE_PAGES / 2 * PAGE];
    fact("byte", (unsigned long)byte);
    fact("major", major_faults() - before);
    stop("a page of a file read");
    return 0;
}
