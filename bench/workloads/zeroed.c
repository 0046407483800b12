/* calloc from small to large, in a window of live blocks, each used in part. */
#include "bench.h"

enum { WINDOW = 256 };

int main(int argc, char **argv)
{
    static char *window[WINDOW];
    size_t steps = argument(argc, argv, 1, 1500000);
    uint64_t state = 31;
    for (size_t i = 0; i < steps; i++) {
        char **at = &window[next_random(&state) % WINDOW];
        size_t size = mixed_size(&state);
        if (next_random(&state) % 64 == 0)
            size *= 16;
        free(*at);
        *at = must(calloc(1, size));
        (*at)[size / 2] = 1;
    }
    for (int i = 0; i < WINDOW; i++)
        free(window[i]);
    return 0;
}
