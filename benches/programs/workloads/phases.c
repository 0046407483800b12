/* Sizes shift: each phase fills BYTES with objects of another size, works on
 * them, and keeps a twentieth of them to the end. What was freed must serve the
 * sizes that come. */
#include "bench.h"

int main(int argc, char **argv)
{
    static const size_t SIZES[] = {24, 400, 72, 1500, 40, 5000, 120, 250, 16, 2500};
    enum { PHASES = sizeof SIZES / sizeof *SIZES };
    size_t bytes = argument(argc, argv, 1, 24 << 20);
    uint64_t state = 99, sum = 0;
    void **kept[PHASES] = {0};
    size_t kept_count[PHASES] = {0};
    for (size_t phase = 0; phase < PHASES; phase++) {
        size_t size = SIZES[phase], count = bytes / size, left = 0;
        void **objects = must(malloc(count * sizeof *objects));
        for (size_t i = 0; i < count; i++) {
            objects[i] = must(malloc(size));
            fill(objects[i], size, phase + i);
        }
        for (size_t i = 0; i < count; i++)
            if (below(&state, 20) == 0) {
                objects[left++] = objects[i];
            } else {
                mix(&sum, look(objects[i], size));
                free(objects[i]);
            }
        kept[phase] = objects;
        kept_count[phase] = left;
    }
    for (size_t phase = 0; phase < PHASES; phase++) {
        for (size_t i = 0; i < kept_count[phase]; i++) {
            mix(&sum, look(kept[phase][i], SIZES[phase]));
            free(kept[phase][i]);
        }
        free(kept[phase]);
    }
    return result(sum);
}
