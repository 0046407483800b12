/* Sizes shift from phase to phase while a twentieth survives. Writes KiB that are
 * live and KiB that are resident, both at the end of the worst phase's growth. */
#include <stdio.h>

#include "bench.h"
#include "resident.h"

enum { MOST = 4000000, LIVE = 64 << 20 };

static struct object {
    char *at;
    unsigned size;
} objects[MOST];

int main(void)
{
    static const unsigned phases[] = { 24, 400, 48, 1200, 100, 3000, 64, 700, 160, 2000 };
    uint64_t state = 11;
    size_t count = 0, live = 0, base = 0, worst = 1, worst_live = 1;
    memset(objects, 0, sizeof objects);
    base = resident_kib();
    for (size_t phase = 0; phase < sizeof phases / sizeof *phases; phase++) {
        while (live < LIVE && count < MOST) {
            unsigned size = phases[phase] + next_random(&state) % (phases[phase] / 2);
            char *at = must(malloc(size));
            memset(at, 1, size);
            objects[count++] = (struct object){ at, size };
            live += size;
        }
        size_t resident = resident_kib() - base;
        if (resident * worst_live > worst * (live / 1024)) {
            worst = resident;
            worst_live = live / 1024;
        }
        size_t kept = 0;
        for (size_t i = 0; i < count; i++)
            if (next_random(&state) % 20 == 0) {
                objects[kept++] = objects[i];
            } else {
                live -= objects[i].size;
                free(objects[i].at);
            }
        count = kept;
    }
    printf("%zu %zu\n", worst_live, worst);
    return 0;
}
