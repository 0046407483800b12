/* malloc_trim(pad) leaves pad bytes at the top of the main arena. */
#include "check.h"

enum { COUNT = 300, SIZE = 100000 };

int main(void)
{
    static char *p[COUNT];
    CHECK(mallopt(M_TRIM_THRESHOLD, 1 << 30) == 1);
    for (int i = 0; i < COUNT; i++)
        memset(p[i] = malloc(SIZE), 1, SIZE);
    for (int i = 0; i < COUNT; i++)
        free(p[i]);
    CHECK(malloc_trim(8u << 20) == 1);
    size_t left = mallinfo2().arena;
    CHECK(left >= (8u << 20) && left < (10u << 20), "(%zu)", left);
    CHECK(malloc_trim(0) == 1);
    CHECK(mallinfo2().arena < (1u << 20), "(%zu)", mallinfo2().arena);
    return 0;
}
