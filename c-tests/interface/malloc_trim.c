/* malloc_trim returns 1 if anything went back to the system, else 0. */
#include "check.h"

enum { COUNT = 8000, SIZE = 4000 };

int main(void)
{
    static char *p[COUNT];
    CHECK(mallopt(M_TRIM_THRESHOLD, 1 << 30) == 1);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            p[i] = malloc(SIZE);
            memset(p[i], 1, SIZE);
        }
        for (int i = 0; i < COUNT; i++)
            free(p[i]);
        CHECK(malloc_trim(0) == 1, "(32 MB of free memory, round %d)", round);
        CHECK(malloc_trim(0) == 0, "(nothing left, round %d)", round);
    }
    return 0;
}
