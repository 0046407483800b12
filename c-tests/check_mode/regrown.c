/* Usage: regrown FROM TO AT WHAT
   Resizes an object of FROM bytes to one more and then to TO, then turns the byte AT bytes behind its
   end, or in front of it (AT below 0), and makes the call that is to notice it.
   WHAT: free, grow, shrink, usable_size, exit; or, where the object has pages of
   its own: guard (touches the page behind: faults), stale (touches the object
   where it was, if it moved: faults), inside (each byte, then frees it). */
#include "check.h"

int main(int argc, char **argv)
{
    CHECK(argc == 5);
    size_t from = strtoul(argv[1], NULL, 0), to = strtoul(argv[2], NULL, 0);
    long at = atol(argv[3]);
    const char *what = argv[4];
    unsigned char *before = opaque(malloc(from)), *old = opaque(before);
    CHECK(before != NULL);
    memset(before, 0x41, from);
    unsigned char *p = opaque(realloc(before, any(from + 1)));
    CHECK(p != NULL && (p = opaque(realloc(p, any(to)))) != NULL);
    memset(p, 0x42, to);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (strcmp(what, "guard") == 0) {
        *(volatile unsigned char *)(((uintptr_t)p + to + page - 1) & ~(page - 1)) = 1;
        return 0;
    }
    if (strcmp(what, "stale") == 0) {
        CHECK(old != p);
        *(volatile unsigned char *)old = 1;
        return 0;
    }
    if (strcmp(what, "inside") == 0) {
        free(p);
        return 0;
    }
    unsigned char *byte = at < 0 ? p + at : p + to + at;
    *byte = (unsigned char)~*byte;
    if (strcmp(what, "free") == 0)
        free(p);
    else if (strcmp(what, "grow") == 0)
        opaque(realloc(p, any(to + 1)));
    else if (strcmp(what, "shrink") == 0)
        opaque(realloc(p, any(to - 1)));
    else if (strcmp(what, "usable_size") == 0)
        return malloc_usable_size(p) == 1;
    else
        return strcmp(what, "exit") != 0;
    _exit(0);
}
