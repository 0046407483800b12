/* A queue: COUNT objects of one size wait, each step takes a new one and frees
 * the oldest. Steps, count, bytes. */
#include "bench.h"

int main(int argc, char **argv)
{
    size_t steps = argument(argc, argv, 1, 10000000), count = argument(argc, argv, 2, 4000),
           size = argument(argc, argv, 3, 64);
    unsigned char **queue = must(calloc(count, sizeof *queue));
    uint64_t sum = 0;
    for (size_t i = 0, at = 0; i < steps; i++) {
        if (queue[at])
            sum += queue[at][0] + queue[at][size - 1];
        free(queue[at]);
        queue[at] = must(malloc(size));
        queue[at][0] = (unsigned char)i;
        queue[at][size - 1] = (unsigned char)(i >> 8);
        if (++at == count)
            at = 0;
    }
    for (size_t i = 0; i < count; i++)
        free(queue[i]);
    free(queue);
    return result(sum);
}
