/* Usage: shrunk WHAT
   An object with a mapping of its own shrinks to a quarter. WHAT: write, read
   (a byte of what it no longer has), inside (all that it has). */
#include "check.h"

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    size_t n = 1 << 20;
    volatile unsigned char *p = malloc(4 * n);
    CHECK(p != NULL);
    memset((void *)p, 'x', 4 * n);
    p = opaque(realloc((void *)p, n));
    CHECK(p != NULL);
    if (strcmp(argv[1], "write") == 0)
        p[any(2 * n)] = 1;
    else if (strcmp(argv[1], "read") == 0)
        return p[any(2 * n)] == 0;
    for (size_t i = 0; i < n; i++)
        CHECK(p[i] == 'x', "(%zu)", i);
    memset((void *)p, 'y', n);
    free((void *)p);
    return 0;
}
