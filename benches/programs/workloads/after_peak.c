/* What stays resident after a peak. PEAK bytes of mixed sizes are taken; all but
 * a twentieth of them are freed, and the program goes on with small work, for
 * longer than a late purge may take to come.
 *
 * local:      the survivors are neighbours in time, the middle twentieth
 * scattered:  the survivors are drawn at random
 * trimmed:    as scattered, then malloc_trim(0): what others are compared with
 *
 * Writes KiB that are live, by request, and KiB that are resident, less what was
 * resident before the first request. */
#include <malloc.h>
#include <sys/mman.h>
#include <time.h>
#include "bench.h"
#include "resident.h"

struct slot {
    char *bytes;
    size_t size;
};

enum { WORK = 2000, SLICES = 200, STEPS = 5000 };

/* A table that is resident from the start and is none of the allocator's. */
static struct slot *table(size_t slots)
{
    size_t bytes = slots * sizeof(struct slot);
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        exit(1);
    return memset(at, 0, bytes);
}

/* Small work in slices, and what is live at its end. */
static size_t go_on(struct slot *work, uint64_t *state)
{
    size_t live = 0;
    for (size_t i = 0; i < SLICES * STEPS; i++) {
        struct slot *at = &work[below(state, WORK)];
        live -= at->size;
        free(at->bytes);
        at->size = 1 + below(state, 500);
        at->bytes = must(malloc(at->size));
        fill(at->bytes, at->size, i);
        live += at->size;
        if (i % STEPS == 0)
            nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    return live;
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "scattered";
    int local = strcmp(how, "local") == 0;
    size_t peak = argument(argc, argv, 2, 200 << 20);
    uint64_t state = 31, sum = 0;
    size_t most = peak / 100, count = 0, taken = 0, live = 0;
    struct slot *slots = table(most), *work = table(WORK);
    size_t before = resident_kib();

    while (taken < peak && count < most) {
        struct slot *at = &slots[count++];
        at->size = mixed_size(&state);
        at->bytes = must(malloc(at->size));
        fill(at->bytes, at->size, count);
        taken += at->size;
    }
    for (size_t i = 0; i < count; i++) {
        int stays = local ? i - count / 2 < count / 20 : below(&state, 20) == 0;
        if (stays) {
            live += slots[i].size;
            continue;
        }
        mix(&sum, look(slots[i].bytes, slots[i].size));
        free(slots[i].bytes);
        slots[i].size = 0;
    }
    live += go_on(work, &state);
    if (strcmp(how, "trimmed") == 0)
        malloc_trim(0);
    printf("%zu %zu\n", live >> 10, resident_kib() - before);
    for (size_t i = 0; i < count; i++)
        if (slots[i].size)
            mix(&sum, look(slots[i].bytes, slots[i].size));
    return result(sum);
}
