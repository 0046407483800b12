/* Usage: write_after_free SIZE AT WHEN
   Turns the byte AT bytes into an object of SIZE bytes that was freed; a
   negative AT is below it.
   WHEN it is to be noticed: eviction (other objects push it out of the
   quarantine), trim, exit, never (nothing happens any more). */
#include "check.h"

int main(int argc, char **argv)
{
    CHECK(argc == 4);
    size_t size = strtoul(argv[1], NULL, 0);
    ptrdiff_t at = strtol(argv[2], NULL, 0);
    unsigned char *before = malloc(size), *p = opaque(malloc(size)), *stale = opaque(p), *behind = malloc(size);
    CHECK(before != NULL && p != NULL && behind != NULL);
    free(p);
    stale[at] = (unsigned char)~stale[at];
    if (strcmp(argv[3], "eviction") == 0)
        for (int i = 0; i < 10000; i++)
            free(opaque(malloc(64)));
    else if (strcmp(argv[3], "trim") == 0)
        malloc_trim(0);
    else if (strcmp(argv[3], "exit") == 0)
        return 0;
    _exit(0);
}
