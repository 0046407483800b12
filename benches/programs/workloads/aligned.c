/* Aligned requests: a live set replaced at random, by posix_memalign,
 * aligned_alloc and plain malloc in turn. Most alignments are a vector's or a
 * cache line's, a few are pages. Whether they are met is a matter of tests:
 * mimalloc 2.0.9 fails aligned_alloc(256, 256), and could not be compared. */
#include "bench.h"

struct slot {
    char *bytes;
    size_t size;
};

int main(int argc, char **argv)
{
    static const size_t ALIGNMENTS[] = {32, 64, 64, 64, 32, 128, 64, 256, 64, 32, 64, 64, 32, 64, 512, 4096};
    size_t live = argument(argc, argv, 1, 8000);
    size_t steps = argument(argc, argv, 2, 2000000);
    uint64_t state = 4321, sum = 0;
    struct slot *slots = must(calloc(live, sizeof *slots));
    for (size_t i = 0; i < steps; i++) {
        struct slot *at = &slots[below(&state, live)];
        size_t alignment = ALIGNMENTS[next_random(&state) >> 60];
        void *fresh = NULL;
        mix(&sum, look(at->bytes, at->size));
        free(at->bytes);
        at->size = 1 + below(&state, 700);
        if (i % 3 == 0) {
            if (posix_memalign(&fresh, alignment, at->size))
                fresh = NULL;
        } else if (i % 3 == 1) {
            at->size = (at->size + alignment - 1) & ~(alignment - 1);
            fresh = aligned_alloc(alignment, at->size);
        } else {
            fresh = malloc(at->size);
        }
        at->bytes = must(fresh);
        fill(fresh, at->size, i);
    }
    for (size_t i = 0; i < live; i++)
        free(slots[i].bytes);
    free(slots);
    return result(sum);
}
