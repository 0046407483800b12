/* 64 MiB of small objects in a single-threaded program come from the break:
   every one lies between where it began and where it ends. Two writes
   to nowhere, begin and end, tell a tracer where to look. */
#include "check.h"

int main(void)
{
    char *begin = sbrk(0);
    (void)!write(-1, "begin", 5);
    size_t total = 0;
    char *lowest = (char *)UINTPTR_MAX, *highest = NULL;
    for (unsigned i = 0; total < (64u << 20); i++) {
        size_t n = 16 + i % 64 * 8;
        char *p = malloc(n);
        CHECK(p != NULL);
        lowest = p < lowest ? p : lowest;
        highest = p > highest ? p : highest;
        total += n;
    }
    (void)!write(-1, "end", 3);
    char *end = sbrk(0);
    /* The heap may have begun before main. */
    CHECK(lowest > begin - (1 << 20) && highest < end, "(%p to %p outside %p to %p)", lowest, highest, begin, end);
    CHECK(end - begin >= 63 << 20, "(the break moved by %td)", end - begin);
    return 0;
}
