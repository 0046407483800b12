/* What malloc_trim gives back between live objects is whole pages of the system, whatever their
   size, and all that there are: they read as zero afterwards, and no byte that is live does. Freed
   memory is looked at, which only a test may do; its pages are still mapped. */
#define _GNU_SOURCE
#include "check.h"
#include <malloc.h>

enum { BYTES = 48 << 20, EVERY = 1 << 20 };

/* Bytes at either end of a gap that belong to headers and links. */
enum { EDGE = 64 };

static int is_zero(const volatile unsigned char *page, size_t size)
{
    for (size_t at = 0; at < size; at++)
        if (page[at] != 0)
            return 0;
    return 1;
}

static int by_address(const void *a, const void *b)
{
    uintptr_t left = (uintptr_t) * (unsigned char *const *)a, right = (uintptr_t) * (unsigned char *const *)b;
    return left < right ? -1 : left > right;
}

static void between(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), count = BYTES / size, every = EVERY / size;
    unsigned char **all = malloc(count * sizeof *all);
    CHECK(all != NULL);
    for (size_t at = 0; at < count; at++) {
        CHECK((all[at] = malloc(size)) != NULL);
        memset(all[at], 0xaa, size);
    }
    /* In the order of their addresses, whatever the order in which they were handed out. */
    qsort(all, count, sizeof *all, by_address);
    for (size_t at = 0; at < count; at++)
        if (at % every != 0)
            free(all[at]);
    CHECK(malloc_trim(0) == 1);
    size_t whole = 0, gone = 0;
    for (size_t at = 0; at + every < count; at += every) {
        uintptr_t from = (uintptr_t)all[at] + size + EDGE, to = (uintptr_t)all[at + every] - EDGE;
        /* Only where the objects lie in a row: a heap may end in between. */
        if (to < from || to - from > EVERY + EVERY / 4)
            continue;
        for (from = (from + page - 1) & -page; from + page <= to; from += page) {
            whole++;
            gone += (size_t)is_zero((unsigned char *)from, page);
        }
    }
    /* Most gaps were looked at, and hardly a page of them stayed. */
    CHECK(whole * page > BYTES / 2);
    CHECK(gone * 100 >= whole * 97);
    for (size_t at = 0; at < count; at += every) {
        for (size_t byte = 0; byte < size; byte++)
            CHECK(all[at][byte] == 0xaa);
        free(all[at]);
    }
    free(all);
}

int main(void)
{
    check_served();
    CHECK(mallopt(M_TRIM_THRESHOLD, 1 << 30) == 1);
    CHECK(mallopt(M_MMAP_THRESHOLD, 1 << 25) == 1);
    CHECK(mallopt(M_ARENA_MAX, 1) == 1);
    between(3000);
    between(20000);
    between(100000);
    return 0;
}
