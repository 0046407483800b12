/* Usage: fill BYTE [PERTURB]
   Freed memory holds BYTE in each of its bytes, what realloc cut off and left
   behind as well. With PERTURB, mallopt asks for that byte first. */
#include "check.h"

static void is_filled(const unsigned char *p, size_t from, size_t to, unsigned byte)
{
    for (size_t i = from; i < to; i++)
        CHECK(p[i] == byte, "(byte %zu of %zu is %#x)", i, to, p[i]);
}

int main(int argc, char **argv)
{
    unsigned byte = (unsigned)strtoul(argv[1], NULL, 0);
    if (argc > 2)
        CHECK(mallopt(M_PERTURB, (int)strtoul(argv[2], NULL, 0)) == 1);
    for (size_t size = 1; size < 100000; size = size * 3 / 2 + 5) {
        unsigned char *p = opaque(malloc(size)), *stale = opaque(p);
        memset(p, 0x41, size);
        free(p);
        is_filled(stale, 0, size, byte);
        p = opaque(malloc(size)), stale = opaque(p);
        memset(p, 0x41, size);
        unsigned char *moved = realloc(p, any(size * 2 + 300000));
        CHECK(moved != NULL && moved != stale);
        is_filled(stale, 0, size, byte);
        free(moved);
    }
    /* The middle of what is cut off: its ends become a free chunk's links and foot. */
    unsigned char *p = opaque(malloc(50000)), *behind = malloc(100);
    memset(p, 0x41, 50000);
    CHECK(opaque(realloc(p, any(1000))) == p && behind != NULL);
    is_filled(p, 1100, 49900, byte);
    return 0;
}
