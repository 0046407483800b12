/* A request above PTRDIFF_MAX is refused by every call with NULL and ENOMEM,
   and nothing changes. */
#include "check.h"

#define REFUSED(call)                             \
    do {                                          \
        errno = 0;                                \
        CHECK((call) == NULL, "(%zx)", n);        \
        CHECK(errno == ENOMEM, "(%s)", #call);    \
    } while (0)

int main(void)
{
    const size_t sizes[] = { (size_t)PTRDIFF_MAX + 1, SIZE_MAX - 4095, SIZE_MAX - 16, SIZE_MAX - 1, SIZE_MAX };
    char *old = malloc(100);
    char *mapped = malloc(1 << 20);
    memset(old, 'x', 100);
    memset(mapped, 'y', 1 << 20);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = any(sizes[i]);
        REFUSED(malloc(n));
        REFUSED(calloc(1, n));
        REFUSED(calloc(n, 1));
        REFUSED(realloc(NULL, n));
        REFUSED(realloc(old, n));
        REFUSED(realloc(mapped, n));
        REFUSED(reallocarray(old, 1, n));
        REFUSED(memalign(64, n));
        REFUSED(memalign(8, n));
        REFUSED(aligned_alloc(64, n));
        REFUSED(valloc(n));
        REFUSED(pvalloc(n));
        void *p = old;
        CHECK(posix_memalign(&p, 64, n) == ENOMEM && p == old);
    }
    for (int i = 0; i < 100; i++)
        CHECK(old[i] == 'x');
    for (int i = 0; i < 1 << 20; i++)
        CHECK(mapped[i] == 'y');
    free(old);
    free(mapped);
    return 0;
}
