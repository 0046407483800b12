/* memalign: aligned as asked, for every power of two and size; an alignment
   that is none is rounded up. */
#include "check.h"

int main(void)
{
    for (size_t align = 1; align <= (4u << 20); align *= 2)
        for (size_t n = 0; n <= 300000; n = n * 3 + 7) {
            char *p = memalign(align, n);
            CHECK(p != NULL, "(%zu, %zu)", align, n);
            CHECK((uintptr_t)p % align == 0 && (uintptr_t)p % 16 == 0, "(%zu, %zu: %p)", align, n, p);
            CHECK(malloc_usable_size(p) >= n);
            memset(p, 0x77, malloc_usable_size(p));
            char *next = memalign(align, n);
            memset(next, 0x88, malloc_usable_size(next));
            for (size_t i = 0; i < n; i++)
                CHECK(p[i] == 0x77);
            free(p);
            free(next);
        }

    const size_t odd[][2] = { { 0, 16 }, { 3, 16 }, { 24, 32 }, { 48, 64 }, { 65, 128 }, { 4097, 8192 }, { 100000, 131072 } };
    for (int i = 0; i < 7; i++)
        for (int round = 0; round < 20; round++) {
            void *p = memalign(any(odd[i][0]), 50);
            CHECK(p != NULL, "(%zu)", odd[i][0]);
            CHECK((uintptr_t)p % odd[i][1] == 0, "(%zu: %p)", odd[i][0], p);
            if (round % 2)
                free(p);
        }
    return 0;
}
