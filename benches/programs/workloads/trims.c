/* A program that calls malloc_trim often, as some do after each piece of work:
 * a live set is replaced at random, and each PERIOD steps the heap is trimmed.
 * Steps, period. */
#include <malloc.h>
#include "bench.h"

enum { LIVE = 20000 };

int main(int argc, char **argv)
{
    static char *objects[LIVE];
    static size_t sizes[LIVE];
    size_t steps = argument(argc, argv, 1, 1000000), period = argument(argc, argv, 2, 1000);
    uint64_t state = 9, sum = 0;
    for (size_t i = 0; i < steps; i++) {
        size_t at = below(&state, LIVE);
        mix(&sum, objects[at] ? look(objects[at], sizes[at]) : 0);
        free(objects[at]);
        sizes[at] = mixed_size(&state);
        objects[at] = must(malloc(sizes[at]));
        fill(objects[at], sizes[at], i);
        if (i % period == 0)
            malloc_trim(0);
    }
    for (size_t i = 0; i < LIVE; i++)
        free(objects[i]);
    return result(sum);
}
