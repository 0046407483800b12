/* COUNT times malloc(SIZE) and free at once. The volatile pointers keep the
 * compiler from knowing what it calls. */
#include "bench.h"

static void *(*volatile take)(size_t) = malloc;
static void (*volatile give)(void *) = free;

int main(int argc, char **argv)
{
    size_t count = argument(argc, argv, 1, 10000000);
    size_t size = argument(argc, argv, 2, 64);
    for (size_t i = 0; i < count; i++)
        give(take(size));
    return 0;
}
