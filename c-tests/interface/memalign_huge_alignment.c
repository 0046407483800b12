/* memalign with an alignment that no object can have: EINVAL above
   SIZE_MAX / 2 + 1, ENOMEM where alignment and size do not fit together. */
#include "check.h"

int main(void)
{
    const size_t top = SIZE_MAX / 2 + 1;
    const size_t too_much[] = { top + 1, top + 4096, SIZE_MAX - 1, SIZE_MAX };
    for (int i = 0; i < 4; i++) {
        errno = 0;
        CHECK(memalign(any(too_much[i]), 16) == NULL);
        CHECK(errno == EINVAL, "(%zx: errno %d)", too_much[i], errno);
    }
    for (size_t align = top; align >= (size_t)1 << 48; align /= 2) {
        errno = 0;
        CHECK(memalign(any(align), 16) == NULL);
        CHECK(errno == ENOMEM, "(%zx: errno %d)", align, errno);
    }
    return 0;
}
