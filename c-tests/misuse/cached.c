/* Usage: cached SIZE BYTES
   Frees objects of SIZE bytes, overwrites the BYTES below each (their headers),
   and asks for that size again: a chunk that is not the one that was freed may
   not be handed out. */
#include "check.h"

int main(int argc, char **argv)
{
    enum { COUNT = 4 };
    size_t size = strtoul(argv[1], NULL, 0), bytes = strtoul(argv[2], NULL, 0);
    unsigned char *p[COUNT], *stale[COUNT];
    for (int i = 0; i < COUNT; i++) {
        p[i] = opaque(malloc(size));
        stale[i] = opaque(p[i]);
    }
    for (int i = 0; i < COUNT; i++)
        free(p[i]);
    for (int i = 0; i < COUNT; i++)
        for (size_t j = 1; j <= bytes; j++)
            stale[i][-(ptrdiff_t)j] = (unsigned char)~stale[i][-(ptrdiff_t)j];
    for (int i = 0; i < COUNT; i++)
        p[i] = opaque(malloc(size));
    return 0;
}
