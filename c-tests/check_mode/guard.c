/* Usage: guard SIZE WHAT [ALIGN]
   Touches memory around an object of SIZE bytes with a mapping of its own.
   WHAT: end (the first byte that is not its own and not slack: faults), read
   (reads it: faults), front (the page before its first: faults), far (the same,
   from the alignment's multiple below), freed (the object after its free:
   faults), inside (each byte of its own: fine). The end is at most ALIGN - 1
   bytes before the guard page. */
#include "check.h"

int main(int argc, char **argv)
{
    CHECK(argc >= 3);
    size_t size = strtoul(argv[1], NULL, 0), align = argc > 3 ? strtoul(argv[3], NULL, 0) : 16;
    const char *what = argv[2];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *p = opaque(argc > 3 ? aligned_alloc(align, size) : malloc(size));
    CHECK(p != NULL && (uintptr_t)p % align == 0 && mallinfo2().hblks == 1);
    volatile unsigned char *end = (unsigned char *)(((uintptr_t)p + size + page - 1) & ~(page - 1));
    CHECK((size_t)(end - (p + size)) < align, "(%td bytes of slack)", end - (p + size));
    memset(p, 0x41, size);
    if (strcmp(what, "end") == 0)
        *end = 1;
    else if (strcmp(what, "read") == 0)
        return *end == 77;
    else if (strcmp(what, "front") == 0)
        *(unsigned char *)((((uintptr_t)p - 16) & ~(page - 1)) - 1) = 1;
    else if (strcmp(what, "freed") == 0) {
        unsigned char *stale = opaque(p);
        free(p);
        *stale = 1;
    } else if (strcmp(what, "inside") == 0)
        free(p);
    return 0;
}
