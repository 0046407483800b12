/* Usage: perturb BYTE SIZE [PARAMETER VALUE]
   With perturb set to BYTE, an object is filled with BYTE's complement when it
   is given out and with BYTE when it is freed; calloc's is zero. BYTE 0: a
   fresh object from the system is zero. */
#include "check.h"

int main(int argc, char **argv)
{
    unsigned char byte = (unsigned char)atoi(argv[1]);
    size_t n = strtoul(argv[2], NULL, 0);
    if (argc > 4)
        CHECK(mallopt(atoi(argv[3]), atoi(argv[4])) == 1);
    for (int round = 0; round < 3; round++) {
        unsigned char *p = opaque(malloc(n)), *after = opaque(malloc(n));
        for (size_t i = 0; i < n; i++)
            CHECK(p[i] == (unsigned char)~byte, "(byte %zu of %zu is %02x)", i, n, p[i]);
        memset(p, 1, n);
        unsigned char *stale = opaque(p);
        free(p);
        /* The first words of a free chunk may hold links, the last a foot. */
        for (size_t i = 32; i + 16 < n; i++)
            CHECK(stale[i] == byte, "(freed byte %zu of %zu is %02x)", i, n, stale[i]);
        unsigned char *z = calloc(1, n);
        for (size_t i = 0; i < n; i++)
            CHECK(z[i] == 0, "(byte %zu of calloc's %zu)", i, n);
        free(z);
        free(after);
    }
    return 0;
}
