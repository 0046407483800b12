/* Sizes shift: each phase fills memory with objects of another size, then keeps
 * a tenth of them into the next phases. What waits for reuse must serve others. */
#include "bench.h"

int main(int argc, char **argv)
{
    static const size_t SIZES[] = {24, 400, 72, 1500, 40, 5000, 120, 250, 16, 2500};
    enum { PHASES = sizeof SIZES / sizeof *SIZES };
    size_t bytes = argument(argc, argv, 1, 24 << 20);
    uint64_t state = 99;
    void **kept[PHASES] = {0};
    size_t kept_count[PHASES] = {0};
    for (int phase = 0; phase < PHASES; phase++) {
        size_t count = bytes / SIZES[phase];
        void **objects = must(malloc(count * sizeof *objects));
        for (size_t i = 0; i < count; i++) {
            objects[i] = must(malloc(SIZES[phase]));
            touch(objects[i], SIZES[phase]);
        }
        size_t left = 0;
        for (size_t i = 0; i < count; i++)
            if (next_random(&state) % 10 == 0)
                objects[left++] = objects[i];
            else
                free(objects[i]);
        kept[phase] = objects;
        kept_count[phase] = left;
    }
    for (int phase = 0; phase < PHASES; phase++) {
        for (size_t i = 0; i < kept_count[phase]; i++)
            free(kept[phase][i]);
        free(kept[phase]);
    }
    return 0;
}
