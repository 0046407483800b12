/* Every alignment up to 256 MiB, for objects far smaller and larger than it. */
#include "check.h"

int main(void)
{
    static const size_t sizes[] = {0, 8, 43, 512, 6000, 200000, 1 << 20};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    for (size_t align = 8; align <= (size_t)256 << 20; align *= 2) {
        unsigned char *held[3 * SIZES];
        for (int i = 0; i < 3 * SIZES; i++) {
            size_t n = sizes[i / 3] + (i % 3 == 2 && align <= (1 << 20) ? align : 0);
            void *p = NULL;
            if (i % 3 == 0)
                p = memalign(align, n);
            else if (i % 3 == 1)
                p = aligned_alloc(align, n);
            else
                CHECK(posix_memalign(&p, align, n) == 0, "(%zu at %zu)", n, align);
            CHECK(p != NULL && (uintptr_t)p % align == 0, "(%zu at %zu)", n, align);
            CHECK(malloc_usable_size(p) >= n, "(%zu at %zu)", n, align);
            held[i] = p;
            if (n > 0)
                held[i][0] = held[i][n - 1] = (unsigned char)i;
        }
        for (int i = 0; i < 3 * SIZES; i++) {
            size_t n = sizes[i / 3] + (i % 3 == 2 && align <= (1 << 20) ? align : 0);
            CHECK(n == 0 || (held[i][0] == i && held[i][n - 1] == i), "(%zu at %zu)", n, align);
            free(held[i]);
        }
    }
    return 0;
}
