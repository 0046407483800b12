/* Random churn: LIVE slots, each step frees one at random and puts an object of
 * a mixed size in its place. */
#include "bench.h"

int main(int argc, char **argv)
{
    size_t live = argument(argc, argv, 1, 60000);
    size_t steps = argument(argc, argv, 2, 2000000);
    uint64_t state = 1234;
    char **slots = must(calloc(live, sizeof *slots));
    for (size_t i = 0; i < steps; i++) {
        size_t at = next_random(&state) % live;
        size_t size = mixed_size(&state);
        free(slots[at]);
        slots[at] = must(malloc(size));
        touch(slots[at], size);
    }
    for (size_t i = 0; i < live; i++)
        free(slots[i]);
    free(slots);
    return 0;
}
