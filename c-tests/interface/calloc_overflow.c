/* calloc with a product that overflows: NULL and ENOMEM. */
#include "check.h"

static void refused(size_t count, size_t size)
{
    errno = 0;
    CHECK(calloc(any(count), any(size)) == NULL, "(%zx * %zx)", count, size);
    CHECK(errno == ENOMEM, "(%zx * %zx)", count, size);
}

int main(void)
{
    refused(SIZE_MAX, 2);
    refused(2, SIZE_MAX);
    refused(SIZE_MAX, SIZE_MAX);
    refused((size_t)1 << 32, (size_t)1 << 32);
    /* The product wraps to 16, to 0 and to 2^32. */
    refused(SIZE_MAX / 16 + 2, 16);
    refused((size_t)1 << 60, 16);
    refused(((size_t)1 << 32) + 1, (size_t)1 << 32);
    return 0;
}
