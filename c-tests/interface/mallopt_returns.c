/* mallopt returns 1 for what it takes and for what it does not know. */
#include "check.h"

int main(void)
{
    CHECK(mallopt(M_TRIM_THRESHOLD, 256 * 1024) == 1);
    CHECK(mallopt(M_TRIM_THRESHOLD, -1) == 1);
    CHECK(mallopt(M_TOP_PAD, 64 * 1024) == 1);
    CHECK(mallopt(M_TOP_PAD, 0) == 1);
    CHECK(mallopt(M_MMAP_THRESHOLD, 64 * 1024) == 1);
    CHECK(mallopt(M_MMAP_MAX, 100) == 1);
    CHECK(mallopt(M_MMAP_MAX, 0) == 1);
    CHECK(mallopt(M_CHECK_ACTION, 1) == 1);
    CHECK(mallopt(M_PERTURB, 0) == 1);
    CHECK(mallopt(M_ARENA_TEST, 4) == 1);
    CHECK(mallopt(M_ARENA_MAX, 4) == 1);
    CHECK(mallopt(M_MXFAST, 0) == 1);
    CHECK(mallopt(M_MXFAST, 64) == 1);
    const int unknown[] = { 2, 3, 4, 5, 99, -9, -10, -1000, INT32_MIN, INT32_MAX };
    for (int i = 0; i < 10; i++)
        CHECK(mallopt(unknown[i], 1) == 1, "(%d)", unknown[i]);
    void *p = malloc(100000);
    CHECK(p != NULL);
    free(p);
    return 0;
}
