/* What was freed serves the same work again: nodes of 32 to 151 bytes, taken in
   one order and freed at random, three times. The heap may not grow much after
   the first time: slots and chunks must find room in what the others left. */
#include "check.h"

enum { COUNT = 400000 };

static uint64_t state = 11;

static size_t below(size_t bound)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(state >> 33) % bound;
}

int main(void)
{
    static void *nodes[COUNT];
    size_t first = 0;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT; i++)
            CHECK((nodes[i] = malloc(32 + below(120))) != NULL);
        size_t now = mallinfo2().arena;
        if (round == 0)
            first = now;
        CHECK(now <= first + first / 10, "(%zu bytes, then %zu)", first, now);
        for (size_t i = COUNT; i > 0; i--) {
            size_t at = below(i);
            free(nodes[at]);
            nodes[at] = nodes[i - 1];
        }
    }
    return 0;
}
