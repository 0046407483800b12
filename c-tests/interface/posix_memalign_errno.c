/* posix_memalign never sets errno: neither where it refuses nor where memory
   is exhausted (glibc's sets ENOMEM there). */
#include "check.h"

int main(void)
{
    void *p = NULL;
    errno = 4711;
    CHECK(posix_memalign(&p, any(24), 64) == EINVAL && errno == 4711);
    CHECK(posix_memalign(&p, 64, any(SIZE_MAX)) == ENOMEM && errno == 4711);
    CHECK(posix_memalign(&p, 64, any((size_t)PTRDIFF_MAX - 8)) == ENOMEM && errno == 4711);
    CHECK(posix_memalign(&p, 64, any((size_t)1 << 56)) == ENOMEM && errno == 4711);
    CHECK(posix_memalign(&p, any((size_t)1 << 56), 64) == ENOMEM && errno == 4711);
    CHECK(posix_memalign(&p, 64, 64) == 0 && errno == 4711);
    free(p);
    return 0;
}
