/* malloc_usable_size is what was asked for, whichever call asked, and every
   byte of it may be written. */
#include "check.h"

static void *holds(void *p, size_t size)
{
    CHECK(p != NULL && (uintptr_t)p % 16 == 0, "(%zu)", size);
    CHECK(malloc_usable_size(p) == size, "(%zu: %zu)", size, malloc_usable_size(p));
    memset(p, 0x5a, size);
    CHECK(malloc_usable_size(p) == size, "(%zu, written)", size);
    return p;
}

int main(void)
{
    static const size_t sizes[] = { 0, 1, 7, 8, 9, 15, 16, 17, 24, 100, 128, 129, 1000, 1033, 5000, 40000,
                                    100000, 131072, 131073, 200000, 1 << 20, (1 << 20) + 5 };
    enum { COUNT = sizeof sizes / sizeof *sizes };
    for (int i = 0; i < COUNT; i++) {
        size_t n = sizes[i];
        free(holds(malloc(n), n));
        free(holds(calloc(1, n), n));
        for (size_t align = 8; align <= 1 << 20; align *= 4) {
            void *p = holds(memalign(align, n), n);
            CHECK((uintptr_t)p % align == 0);
            free(p);
        }
        for (int j = 0; j < COUNT; j++) {
            unsigned char *p = holds(malloc(n), n);
            memset(p, 0x21, n);
            if (sizes[j] == 0)
                continue;
            p = realloc(p, sizes[j]);
            for (size_t k = 0; k < n && k < sizes[j]; k++)
                CHECK(p[k] == 0x21, "(%zu of %zu to %zu)", k, n, sizes[j]);
            free(holds(p, sizes[j]));
        }
    }
    CHECK(malloc_usable_size(NULL) == 0);
    return 0;
}
