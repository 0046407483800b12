/* vm.max_map_count is used up to the last mapping: small requests go on from
   what the heap has, whatever cannot be served is NULL with ENOMEM, and a
   chunk whose mapping can no longer be cut out is freed without harm. */
#define _GNU_SOURCE
#include "check.h"
#include <sys/mman.h>

enum { MAPPED = 60, SMALL = 10000 };

int main(void)
{
    check_served();
    static char *mapped[MAPPED];
    size_t size = (size_t)1 << 20;
    for (int at = 0; at < MAPPED; at++) {
        mapped[at] = malloc(size);
        CHECK(mapped[at] != NULL);
        fill(mapped[at], size, (unsigned)at);
    }
    /* Each page that differs from its neighbours is a mapping of its own. */
    size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = 400000;
    char *area = mmap(NULL, pages * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(area != MAP_FAILED);
    size_t at = 1;
    while (at < pages && mprotect(area + at * page, page, PROT_READ) == 0)
        at += 2;
    if (at >= pages) {
        puts("the kernel allows more mappings than this program uses up");
        return 77;
    }
    CHECK(errno == ENOMEM);

    static void *small[SMALL];
    for (int at = 0; at < SMALL; at++) {
        small[at] = malloc(100);
        CHECK(small[at] != NULL);
        fill(small[at], 100, (unsigned)at);
    }
    for (int at = 1; at < MAPPED; at += 2)
        free(mapped[at]);
    for (int round = 0; round < 200; round++) {
        size_t asked = (size_t)100000 + (size_t)round * 20000;
        errno = 0;
        char *large = malloc(asked);
        if (large == NULL) {
            CHECK(errno == ENOMEM);
            continue;
        }
        fill(large, asked, (unsigned)round);
        errno = 0;
        char *grown = realloc(large, asked * 2);
        if (grown != NULL)
            large = grown;
        else
            CHECK(errno == ENOMEM);
        CHECK(is_filled(large, asked, (unsigned)round));
        free(large);
    }
    for (int at = 0; at < MAPPED; at += 2) {
        CHECK(is_filled(mapped[at], size, (unsigned)at));
        free(mapped[at]);
    }
    CHECK(munmap(area, pages * page) == 0);
    for (int at = 0; at < MAPPED; at++) {
        mapped[at] = malloc(size);
        CHECK(mapped[at] != NULL);
        fill(mapped[at], size, (unsigned)at);
    }
    for (int at = 0; at < MAPPED; at++) {
        CHECK(is_filled(mapped[at], size, (unsigned)at));
        free(mapped[at]);
    }
    for (int at = 0; at < SMALL; at++) {
        CHECK(is_filled(small[at], 100, (unsigned)at));
        free(small[at]);
    }
    churn(1, 10000);
    return 0;
}
