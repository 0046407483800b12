/* aligned_alloc serves powers of two, for sizes that are no multiple too. */
#include "check.h"

int main(void)
{
    for (size_t align = 1; align <= 65536; align *= 2)
        for (size_t n = 0; n <= 3 * align; n += align / 4 + 1) {
            char *p = aligned_alloc(align, n);
            CHECK(p != NULL && (uintptr_t)p % align == 0, "(%zu, %zu: %p)", align, n, p);
            CHECK(malloc_usable_size(p) >= n);
            memset(p, 1, n);
            free(p);
        }
    return 0;
}
