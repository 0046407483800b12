/* The break cannot grow, because a mapping lies right above it, from the start
   or, with an argument, once the heap has grown: small requests are served from
   mapped memory and both kinds live side by side. */
#define _GNU_SOURCE
#include "check.h"
#include <sys/mman.h>

enum { OBJECTS = 40000 };

static void *objects[OBJECTS];
static size_t sizes[OBJECTS];

static void allocate(int from, int to)
{
    for (int at = from; at < to; at++) {
        sizes[at] = 16 + (size_t)at % 700;
        objects[at] = malloc(sizes[at]);
        CHECK(objects[at] != NULL);
        fill(objects[at], sizes[at], (unsigned)at);
    }
}

int main(int count, char **arguments)
{
    (void)arguments;
    check_served();
    int grown = count > 1 ? OBJECTS / 2 : 0;
    allocate(0, grown);
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t end = ((uintptr_t)sbrk(0) + page - 1) & ~(page - 1);
    void *wall = mmap((void *)end, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    CHECK(wall == (void *)end);
    CHECK(sbrk((intptr_t)page * 2) == (void *)-1);
    allocate(grown, OBJECTS);
    for (int at = 0; at < OBJECTS; at++)
        CHECK(is_filled(objects[at], sizes[at], (unsigned)at));
    for (int at = 0; at < OBJECTS; at += 2)
        free(objects[at]);
    churn(3, 20000);
    CHECK(munmap(wall, page) == 0);
    for (int at = 0; at < OBJECTS; at += 2) {
        objects[at] = malloc(sizes[at]);
        CHECK(objects[at] != NULL);
        fill(objects[at], sizes[at], (unsigned)at);
    }
    for (int at = 0; at < OBJECTS; at++) {
        CHECK(is_filled(objects[at], sizes[at], (unsigned)at));
        free(objects[at]);
    }
    return 0;
}
