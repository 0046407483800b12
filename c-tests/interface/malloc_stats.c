/* Lets malloc_stats write; the test reads what and where. */
#include "check.h"

int main(void)
{
    CHECK(mallopt(M_MMAP_THRESHOLD, 128 * 1024) == 1);
    void *p = malloc(100), *q = malloc(1 << 20);
    malloc_stats();
    free(p);
    free(q);
    return 0;
}
