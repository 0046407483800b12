/* Buffers of 16 to 100 KiB of which a program uses the beginning and little
 * else: LIVE of them, replaced at random. Steps, live. */
#include "bench.h"

enum { USED = 200 };

int main(int argc, char **argv)
{
    size_t steps = argument(argc, argv, 1, 3000000), live = argument(argc, argv, 2, 500);
    unsigned char **buffers = must(calloc(live, sizeof *buffers));
    size_t *sizes = must(calloc(live, sizeof *sizes));
    uint64_t state = 7, sum = 0;
    for (size_t i = 0; i < steps; i++) {
        size_t at = below(&state, live);
        if (buffers[at])
            sum += buffers[at][0] + buffers[at][USED - 1] + buffers[at][sizes[at] - 1];
        free(buffers[at]);
        sizes[at] = 16384 + below(&state, 84 * 1024);
        buffers[at] = must(malloc(sizes[at]));
        memset(buffers[at], (int)(i & 0xff), USED);
        buffers[at][sizes[at] - 1] = (unsigned char)(i >> 8);
    }
    for (size_t i = 0; i < live; i++)
        free(buffers[i]);
    free(sizes);
    free(buffers);
    return result(sum);
}
