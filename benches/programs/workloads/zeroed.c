/* calloc: STEPS objects of FROM to TO bytes, LIVE of them at a time, replaced
 * at random. Each is checked to be zero before it is filled. */
#include "bench.h"

struct slot {
    unsigned char *bytes;
    size_t size;
};

int main(int argc, char **argv)
{
    size_t steps = argument(argc, argv, 1, 3000000);
    size_t live = argument(argc, argv, 2, 2000);
    size_t from = argument(argc, argv, 3, 16);
    size_t to = argument(argc, argv, 4, 512);
    uint64_t state = 23, sum = 0;
    struct slot *slots = must(calloc(live, sizeof *slots));
    for (size_t i = 0; i < steps; i++) {
        struct slot *at = &slots[below(&state, live)];
        mix(&sum, look(at->bytes, at->size));
        free(at->bytes);
        at->size = from + below(&state, to - from + 1);
        at->bytes = must(calloc(1, at->size));
        unsigned dirt = 0;
        for (size_t b = 0; b < at->size; b += LINE)
            dirt |= at->bytes[b];
        if (dirt | at->bytes[at->size - 1]) {
            fputs("calloc gave memory that is not zero\n", stderr);
            return 1;
        }
        fill(at->bytes, at->size, i);
    }
    for (size_t i = 0; i < live; i++)
        free(slots[i].bytes);
    free(slots);
    return result(sum);
}
