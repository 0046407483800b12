/* C23's free_sized and free_aligned_sized take what the right sizes name. */
#include "check.h"

extern void free_sized(void *p, size_t size) __attribute__((weak));
extern void free_aligned_sized(void *p, size_t align, size_t size) __attribute__((weak));

int main(void)
{
    CHECK(free_sized != NULL && free_aligned_sized != NULL);
    free_sized(NULL, 100);
    free_aligned_sized(NULL, 64, 100);
    for (int round = 0; round < 3; round++)
        for (size_t n = 0; n <= (1u << 20); n += n / 4 + 1) {
            errno = 4711;
            free_sized(malloc(n), n);
            free_sized(calloc(1, n), n);
            free_sized(realloc(malloc(3 * n + 1), n + 1), n + 1);
            for (size_t align = 16; align <= 8192; align *= 2)
                free_aligned_sized(aligned_alloc(align, n), align, n);
            CHECK(errno == 4711);
        }
    return 0;
}
