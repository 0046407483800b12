/* posix_memalign leaves errno as glibc's does: ENOMEM when memory is
   exhausted, and untouched where it refuses the alignment or succeeds. */
#include "check.h"

int main(void)
{
    void *p = NULL;
    errno = 4711;
    CHECK(posix_memalign(&p, any(24), 64) == EINVAL && errno == 4711);
    CHECK(posix_memalign(&p, 64, 64) == 0 && errno == 4711);
    free(p);
    p = NULL;
    const struct {
        size_t align, size;
    } exhausted[] = {
        {64, SIZE_MAX}, {64, (size_t)PTRDIFF_MAX - 8}, {64, (size_t)1 << 56}, {(size_t)1 << 56, 64},
    };
    for (size_t i = 0; i < sizeof exhausted / sizeof *exhausted; i++) {
        errno = 4711;
        CHECK(posix_memalign(&p, any(exhausted[i].align), any(exhausted[i].size)) == ENOMEM);
        CHECK(errno == ENOMEM && p == NULL, "(%zu: errno %d)", i, errno);
    }
    return 0;
}
