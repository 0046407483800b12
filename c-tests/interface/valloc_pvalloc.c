/* valloc and pvalloc are page-aligned; pvalloc's size is whole pages, and one
   that overflows when rounded up is ENOMEM. */
#include "check.h"

int main(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t n = 0; n <= 40 * page; n = n * 2 + 1) {
        char *v = valloc(n), *p = pvalloc(n);
        CHECK(v != NULL && (uintptr_t)v % page == 0, "(%zu: %p)", n, v);
        CHECK(p != NULL && (uintptr_t)p % page == 0, "(%zu: %p)", n, p);
        size_t whole = (n + page - 1) / page * page;
        CHECK(malloc_usable_size(v) >= n);
        CHECK(malloc_usable_size(p) >= whole, "(%zu: %zu)", n, malloc_usable_size(p));
        memset(v, 1, n);
        memset(p, 2, whole);
        for (size_t i = 0; i < n; i++)
            CHECK(v[i] == 1);
        free(v);
        free(p);
    }
    for (size_t less = 0; less < page; less += 64) {
        errno = 0;
        CHECK(pvalloc(any(SIZE_MAX - less)) == NULL && errno == ENOMEM, "(%zu)", less);
    }
    return 0;
}
