/* A live set replaced at random: LIVE slots, each of STEPS frees one of them and
 * puts an object of a mixed size in its place. */
#include "bench.h"

struct slot {
    char *bytes;
    size_t size;
};

int main(int argc, char **argv)
{
    size_t live = argument(argc, argv, 1, 60000);
    size_t steps = argument(argc, argv, 2, 2000000);
    uint64_t state = 1234, sum = 0;
    struct slot *slots = must(calloc(live, sizeof *slots));
    for (size_t i = 0; i < steps; i++) {
        struct slot *at = &slots[below(&state, live)];
        mix(&sum, look(at->bytes, at->size));
        free(at->bytes);
        at->size = mixed_size(&state);
        at->bytes = must(malloc(at->size));
        fill(at->bytes, at->size, i);
    }
    for (size_t i = 0; i < live; i++) {
        mix(&sum, look(slots[i].bytes, slots[i].size));
        free(slots[i].bytes);
    }
    free(slots);
    return result(sum);
}
