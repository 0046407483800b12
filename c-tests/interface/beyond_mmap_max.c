/* Usage: beyond_mmap_max [MOST]
   M_MMAP_MAX is a preference: what no heap can hold is mapped all the same, by
   every call, and what is beyond the bound is freed and resized like the rest.
   MOST sets it by mallopt. With "stuck" as second argument the break cannot
   move. */
#include "check.h"
#include <sys/mman.h>

static size_t hblks(void) { return mallinfo2().hblks; }

int main(int argc, char **argv)
{
    if (argc > 1)
        CHECK(mallopt(M_MMAP_MAX, atoi(argv[1])) == 1);
    if (argc > 2) {
        uintptr_t here = (uintptr_t)sbrk(0), page = 4096;
        here = (here + page - 1) / page * page;
        for (int i = 0; i < 16; i++, here += page)
            mmap((void *)here, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    }
    enum { COUNT = 6 };
    const size_t large = (size_t)5 << 30, middle = (size_t)100 << 20;
    char *p[COUNT];
    for (int i = 0; i < COUNT; i++) {
        p[i] = malloc(i % 2 ? large : middle);
        CHECK(p[i] != NULL, "(object %d)", i);
        p[i][0] = p[i][middle - 1] = (char)(i + 1);
    }
    void *aligned = NULL;
    CHECK(posix_memalign(&aligned, 1 << 20, large) == 0);
    char *zero = calloc(1, large);
    CHECK(zero != NULL && zero[0] == 0 && zero[large - 1] == 0);
    p[0] = realloc(p[0], large);
    CHECK(p[0] != NULL && p[0][0] == 1 && p[0][middle - 1] == 1);
    p[1] = realloc(p[1], middle);
    CHECK(p[1] != NULL && p[1][0] == 2 && p[1][middle - 1] == 2);
    for (int i = 0; i < COUNT; i++) {
        CHECK(p[i][0] == i + 1);
        free(p[i]);
    }
    free(zero);
    free(aligned);
    CHECK(hblks() == 0, "(%zu)", hblks());
    return 0;
}
