/* Large blocks: 64 KB to 4 MB, LIVE of them, freed and asked for again. */
#include "bench.h"

struct block {
    char *bytes;
    size_t size;
};

enum { LIVE = 12 };

int main(int argc, char **argv)
{
    static struct block blocks[LIVE];
    size_t steps = argument(argc, argv, 1, 4000);
    uint64_t state = 11, sum = 0;
    for (size_t i = 0; i < steps; i++) {
        struct block *at = &blocks[below(&state, LIVE)];
        mix(&sum, look(at->bytes, at->size));
        free(at->bytes);
        at->size = (size_t)65536 << below(&state, 7);
        at->size -= below(&state, at->size / 3);
        at->bytes = must(malloc(at->size));
        fill(at->bytes, at->size, i);
    }
    for (int i = 0; i < LIVE; i++)
        free(blocks[i].bytes);
    return result(sum);
}
