/* calloc gives zeros: fresh memory, memory used before, given back before. */
#include "check.h"

static void zero(size_t n, int round)
{
    enum { COUNT = 64 };
    unsigned char *p[COUNT];
    for (int i = 0; i < COUNT; i++) {
        p[i] = calloc(1, n);
        CHECK(p[i] != NULL);
        size_t usable = malloc_usable_size(p[i]);
        for (size_t j = 0; j < n; j++)
            CHECK(p[i][j] == 0, "(byte %zu of %zu, round %d)", j, n, round);
        memset(p[i], 0xff, usable);
    }
    /* Every other one first: free chunks, then merged ones. */
    for (int i = 0; i < COUNT; i += 2)
        free(p[i]);
    if (round % 3 == 1)
        malloc_trim(0);
    for (int i = 1; i < COUNT; i += 2)
        free(p[i]);
    if (round % 3 == 2)
        malloc_trim(0);
}

int main(void)
{
    const size_t sizes[] = { 1, 8, 16, 17, 24, 25, 32, 33, 48, 63, 64, 65, 100, 128, 129, 200, 1000, 1032, 1500,
                             5000, 20000, 33000, 70000, 130000, 140000, 300000 };
    for (int round = 0; round < 6; round++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            zero(sizes[i], round);
        for (size_t i = sizeof sizes / sizeof *sizes; i-- > 0;)
            zero(sizes[i], round);
    }

    /* A dirty tail of top, and the memory behind a chunk that shrank. */
    for (int i = 0; i < 100; i++) {
        unsigned char *big = malloc(100000);
        memset(big, 0xff, malloc_usable_size(big));
        big = realloc(big, 1000 + 16 * i);
        unsigned char *z = calloc(1, 90000);
        for (int j = 0; j < 90000; j++)
            CHECK(z[j] == 0, "(byte %d after a shrink)", j);
        memset(z, 0xff, malloc_usable_size(z));
        free(z);
        free(big);
    }
    return 0;
}
