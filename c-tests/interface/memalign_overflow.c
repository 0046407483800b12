/* Alignment + size overflow is ENOMEM, not a chunk that is too small
   (CVE-2026-0861: glibc 2.30 to 2.42 added them without a look). */
#include "check.h"

int main(void)
{
    const size_t top = SIZE_MAX / 2 + 1;
    for (size_t align = 32; align != 0; align *= 2)
        for (size_t less = 0; less <= 8192; less += 8) {
            size_t n = any((size_t)PTRDIFF_MAX - less);
            errno = 0;
            CHECK(memalign(any(align), n) == NULL, "(%zx, %zx)", align, n);
            CHECK(errno == ENOMEM, "(%zx, %zx: errno %d)", align, n, errno);
            errno = 0;
            CHECK(aligned_alloc(any(align), n) == NULL && errno == ENOMEM, "(%zx, %zx: errno %d)", align, n, errno);
            void *p = NULL;
            CHECK(posix_memalign(&p, any(align), n) == ENOMEM && p == NULL, "(%zx, %zx)", align, n);
        }
    /* Sums that wrap to a small number. */
    for (size_t sum = 0; sum <= 4096; sum += 16) {
        errno = 0;
        CHECK(memalign(any(top), any(sum - top)) == NULL && errno == ENOMEM, "(%zx)", sum);
    }
    return 0;
}
