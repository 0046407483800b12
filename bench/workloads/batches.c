/* Batches of BATCH objects of mixed small sizes, freed in the order they came,
 * in the reverse, and at random: ROUNDS times. */
#include "bench.h"

enum { BATCH = 4000 };

int main(int argc, char **argv)
{
    static void *objects[BATCH];
    size_t rounds = argument(argc, argv, 1, 900);
    uint64_t state = 42;
    for (size_t round = 0; round < rounds; round++) {
        for (int i = 0; i < BATCH; i++) {
            size_t size = 8 + next_random(&state) % 400;
            objects[i] = must(malloc(size));
            *(char *)objects[i] = 1;
        }
        if (round % 3 == 2)
            for (int i = BATCH - 1; i > 0; i--) {
                size_t j = next_random(&state) % (size_t)(i + 1);
                void *swapped = objects[i];
                objects[i] = objects[j];
                objects[j] = swapped;
            }
        for (int i = 0; i < BATCH; i++)
            free(objects[round % 3 == 1 ? BATCH - 1 - i : i]);
    }
    return 0;
}
