/* Large blocks: 32 KiB to 4 MiB, a few live at a time, written through. */
#include "bench.h"

enum { LIVE = 12 };

int main(int argc, char **argv)
{
    static void *blocks[LIVE];
    size_t steps = argument(argc, argv, 1, 4000);
    uint64_t state = 11;
    for (size_t i = 0; i < steps; i++) {
        void **at = &blocks[next_random(&state) % LIVE];
        size_t size = (size_t)32768 << next_random(&state) % 8;
        size -= next_random(&state) % (size / 3);
        free(*at);
        *at = must(malloc(size));
        touch(*at, size);
    }
    for (int i = 0; i < LIVE; i++)
        free(blocks[i]);
    return 0;
}
