/* Every byte that malloc_usable_size promises may be written: no neighbour
   loses a byte, and the heap goes on. NULL gives 0. */
#include "check.h"

enum { COUNT = 200 };

static void full(size_t n)
{
    unsigned char *p[COUNT];
    for (int i = 0; i < COUNT; i++) {
        p[i] = malloc(n);
        size_t usable = malloc_usable_size(p[i]);
        CHECK(p[i] != NULL && usable >= n, "(%zu: %zu)", n, usable);
        memset(p[i], i + 1, usable);
    }
    for (int i = 0; i < COUNT; i++) {
        size_t usable = malloc_usable_size(p[i]);
        for (size_t j = 0; j < usable; j++)
            CHECK(p[i][j] == i + 1, "(byte %zu of object %d of %zu)", j, i, n);
    }
    for (int i = 0; i < COUNT; i += 2)
        free(p[i]);
    for (int i = 1; i < COUNT; i += 2)
        free(p[i]);
}

int main(void)
{
    CHECK(malloc_usable_size(NULL) == 0);
    for (size_t n = 0; n <= 1100; n++)
        full(n);
    for (size_t n = 1100; n <= 60000; n += n / 5)
        full(n);
    for (size_t n = 100000; n <= (8u << 20); n *= 2) {
        char *p = malloc(n);
        memset(p, 1, malloc_usable_size(p));
        free(p);
        p = calloc(1, n);
        memset(p, 1, malloc_usable_size(p));
        free(p);
        p = memalign(4096, n);
        memset(p, 1, malloc_usable_size(p));
        free(p);
    }
    return 0;
}
