/* Batches of BATCH objects of mixed small sizes, freed in the order they came,
 * in the reverse, and at random: ROUNDS times. */
#include "bench.h"

enum { BATCH = 4000 };

struct object {
    char *bytes;
    size_t size;
};

int main(int argc, char **argv)
{
    static struct object objects[BATCH];
    size_t rounds = argument(argc, argv, 1, 900);
    uint64_t state = 42, sum = 0;
    for (size_t round = 0; round < rounds; round++) {
        for (int i = 0; i < BATCH; i++) {
            objects[i].size = 8 + below(&state, 400);
            objects[i].bytes = must(malloc(objects[i].size));
            fill(objects[i].bytes, objects[i].size, round + (size_t)i);
        }
        if (round % 3 == 2)
            for (size_t i = BATCH - 1; i > 0; i--) {
                size_t j = below(&state, i + 1);
                struct object swapped = objects[i];
                objects[i] = objects[j];
                objects[j] = swapped;
            }
        for (int i = 0; i < BATCH; i++) {
            struct object *gone = &objects[round % 3 == 1 ? BATCH - 1 - i : i];
            mix(&sum, look(gone->bytes, gone->size));
            free(gone->bytes);
        }
    }
    return result(sum);
}
