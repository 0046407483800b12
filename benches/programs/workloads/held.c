/* Large blocks, 32 KiB to 8 MiB, tens of them held and replaced at random. A
 * program writes a part of what it asks for: here a byte of each eighth page.
 * Steps, blocks. */
#include "bench.h"

enum { STRIDE = 8 * 4096 };

struct block {
    unsigned char *bytes;
    size_t size;
};

int main(int argc, char **argv)
{
    size_t steps = argument(argc, argv, 1, 40000), live = argument(argc, argv, 2, 40);
    struct block *blocks = must(calloc(live, sizeof *blocks));
    uint64_t state = 5, sum = 0;
    for (size_t i = 0; i < steps; i++) {
        struct block *at = &blocks[below(&state, live)];
        for (size_t k = 0; k < at->size; k += STRIDE)
            sum += at->bytes[k];
        free(at->bytes);
        at->size = (size_t)32768 << below(&state, 8);
        at->size += below(&state, at->size);
        at->bytes = must(malloc(at->size));
        for (size_t k = 0; k < at->size; k += STRIDE)
            at->bytes[k] = (unsigned char)(i + k / STRIDE);
    }
    for (size_t i = 0; i < live; i++)
        free(blocks[i].bytes);
    free(blocks);
    return result(sum);
}
