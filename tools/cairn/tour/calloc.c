/* What calloc need not clear, and what it must. */
#include "tour.h"
#include <string.h>

enum { SMALL = 1000, LARGE = 64 << 20, PAGE = 4096 };

static unsigned long not_zero(const unsigned char *at, size_t step,
                              size_t size)
{
    unsigned long count = 0;
    for (size_t i = 0; i < size; i += step)
        count += at[i] != 0;
    return count;
}

int main(void)
{
    unsigned char *large = calloc(1, LARGE);
    if (large == NULL)
        return 1;
    place("large", large);
    stop("calloc of 64 MiB");
    fact("not-zero", not_zero(large, PAGE, LARGE));
    stop("read, a byte a page");

    unsigned char *small = malloc(SMALL);
    if (small == NULL)
        return 1;
    memset(small, 0xff, SMALL);
    place("before", small);
    free(small);
    small = calloc(1, SMALL);
    if (small == NULL)
        return 1;
    place("after", small);
    fact("not-zero", not_zero(small, 1, SMALL));
    stop("calloc of memory that was used");
    return 0;
}
