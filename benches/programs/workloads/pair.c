/* COUNT times malloc(SIZE) and free at once. The volatile pointers keep the
 * compiler from knowing what it calls; with -O2 the loop itself is ten
 * instructions, calls included. */
#include "bench.h"

static void *(*volatile take)(size_t) = malloc;
static void (*volatile give)(void *) = free;

int main(int argc, char **argv)
{
    size_t count = argument(argc, argv, 1, 20000000);
    size_t size = argument(argc, argv, 2, 64);
    uintptr_t seen = 0;
    for (size_t i = 0; i < count; i++) {
        void *p = take(size);
        seen += (uintptr_t)p;
        give(p);
    }
    if (count != 0 && seen == 0)
        return 1;
    return result(count * size);
}
