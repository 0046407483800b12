/* posix_memalign returns its error and touches *memptr only on success. */
#include "check.h"

int main(void)
{
    const size_t bad[] = { 0, 1, 2, 3, 4, 7, 9, 12, 24, 48, 4097, SIZE_MAX };
    for (int i = 0; i < 12; i++) {
        void *p = &p;
        CHECK(posix_memalign(&p, any(bad[i]), 64) == EINVAL, "(%zu)", bad[i]);
        CHECK(p == &p, "(%zu)", bad[i]);
    }
    for (size_t align = sizeof(void *); align <= (1u << 20); align *= 2)
        for (size_t n = 0; n <= 200000; n = n * 4 + 3) {
            void *p = NULL;
                CHECK(posix_memalign(&p, align, n) == 0, "(%zu, %zu)", align, n);
            CHECK(p != NULL && (uintptr_t)p % align == 0, "(%zu, %zu)", align, n);
            memset(p, 1, n);
            free(p);
        }
    void *p = &p;
    CHECK(posix_memalign(&p, 64, any(SIZE_MAX)) == ENOMEM);
    CHECK(posix_memalign(&p, 64, any((size_t)PTRDIFF_MAX - 8)) == ENOMEM);
    CHECK(p == &p);
    return 0;
}
