/* Usage: top_pad ATLEAST BELOW [PARAMETER VALUE]
   When the heap has to grow, it grows by at least ATLEAST bytes, less than
   BELOW. The second growth is looked at: the first may be over before main. */
#include "check.h"

/* Bytes by which the arena grew at last, having grown. */
static size_t next_growth(void)
{
    size_t before = mallinfo2().arena, after;
    do {
        CHECK(malloc(5000) != NULL);
        after = mallinfo2().arena;
    } while (after == before);
    return after - before;
}

int main(int argc, char **argv)
{
    if (argc > 4)
        CHECK(mallopt(atoi(argv[3]), atoi(argv[4])) == 1);
    next_growth();
    size_t grown = next_growth();
    CHECK(grown >= strtoul(argv[1], NULL, 0) && grown < strtoul(argv[2], NULL, 0), "(%zu)", grown);
    return 0;
}
