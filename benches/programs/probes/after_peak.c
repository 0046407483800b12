/* A peak is freed, a tenth of it stays, and the program goes on. Writes KiB that
 * are live and KiB that are resident, both above what there was before.
 *
 * local:      the first tenth stays
 * scattered:  a random tenth stays
 * trimmed:    as scattered, then malloc_trim(0) */
#include <malloc.h>
#include <stdio.h>
#include <time.h>

#include "bench.h"
#include "resident.h"

enum { OBJECTS = 300000, TENTH = OBJECTS / 10 };

static char *objects[OBJECTS];
static size_t sizes[OBJECTS];

/* Small work that lasts as long as a late purge may take to come. */
static void go_on(uint64_t *state)
{
    enum { HELD = 256 };
    static char *held[HELD];
    for (int slice = 0; slice < 200; slice++) {
        for (int i = 0; i < 5000; i++) {
            size_t at = next_random(state) % HELD;
            free(held[at]);
            held[at] = must(malloc(mixed_size(state) % 2048 + 1));
        }
        struct timespec pause = { 0, 5000000 };
        nanosleep(&pause, NULL);
    }
    for (int i = 0; i < HELD; i++)
        free(held[i]);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "local";
    uint64_t state = 5;
    memset(objects, 0, sizeof objects);
    memset(sizes, 0, sizeof sizes);
    size_t before = resident_kib(), live = 0;
    for (int i = 0; i < OBJECTS; i++) {
        sizes[i] = mixed_size(&state) % 4096 + 1;
        objects[i] = must(malloc(sizes[i]));
        memset(objects[i], 1, sizes[i]);
    }
    for (int i = 0; i < OBJECTS; i++) {
        int stays = strcmp(how, "local") == 0 ? i < TENTH : next_random(&state) % 10 == 0;
        if (stays) {
            live += sizes[i];
        } else {
            free(objects[i]);
            objects[i] = NULL;
        }
    }
    go_on(&state);
    if (strcmp(how, "trimmed") == 0)
        malloc_trim(0);
    printf("%zu %zu\n", live / 1024, resident_kib() - before);
    return 0;
}
