/* aligned_alloc refuses an alignment of 0 or no power of two with EINVAL, as
   C17 and glibc from 2.38 on. */
#include "check.h"

int main(void)
{
    const size_t odd[] = { 0, 3, 5, 24, 48, 65, 4097, SIZE_MAX / 2, SIZE_MAX / 2 + 2, SIZE_MAX };
    for (int i = 0; i < 10; i++) {
        errno = 0;
        CHECK(aligned_alloc(any(odd[i]), 64) == NULL, "(%zx)", odd[i]);
        CHECK(errno == EINVAL, "(%zx: errno %d)", odd[i], errno);
    }
    return 0;
}
