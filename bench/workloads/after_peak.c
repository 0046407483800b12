/* What stays resident after a peak. PEAK bytes of mixed sizes are taken; all but
 * a twentieth of them are freed, and the program goes on with small work. The
 * survivors are neighbours in time ("near"): the middle twentieth; or they are
 * drawn at random ("scattered"). "trim" as third argument calls malloc_trim(0)
 * before the figure is read: what the others are compared with.
 *
 * Prints KiB: live_kib (requested by survivors and by the small work), peak_kib,
 * freed_kib (right after the frees) and resident_kib (at the end), all three
 * less what was resident before the first request. */
#include <malloc.h>
#include <sys/mman.h>
#include "bench.h"
#include "resident.h"

struct slot {
    char *bytes;
    size_t size;
};

enum { WORK = 2000 };

/* A table that is resident from the start and is none of the allocator's. */
static struct slot *table(size_t slots)
{
    size_t bytes = slots * sizeof(struct slot);
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        exit(1);
    return memset(at, 0, bytes);
}

int main(int argc, char **argv)
{
    int scattered = argc > 1 && *argv[1] == 's';
    size_t peak = argument(argc, argv, 2, 200 << 20);
    int trim = argc > 3 && *argv[3] == 't';
    size_t steps = argument(argc, argv, 4, 2000000);
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
    say("peak_kib", resident_kib() - before);
    for (size_t i = 0; i < count; i++) {
        if (scattered ? below(&state, 20) == 0 : i / (count / 40) == 20 || i / (count / 40) == 21) {
            live += slots[i].size;
            continue;
        }
        mix(&sum, look(slots[i].bytes, slots[i].size));
        free(slots[i].bytes);
        slots[i].size = 0;
    }
    say("freed_kib", resident_kib() - before);
    for (size_t i = 0; i < steps; i++) {
        struct slot *at = &work[below(&state, WORK)];
        live -= at->size;
        free(at->bytes);
        at->size = 1 + below(&state, 500);
        at->bytes = must(malloc(at->size));
        fill(at->bytes, at->size, i);
        live += at->size;
    }
    if (trim)
        malloc_trim(0);
    say("live_kib", live >> 10);
    say("resident_kib", resident_kib() - before);
    for (size_t i = 0; i < count; i++)
        if (slots[i].size)
            mix(&sum, look(slots[i].bytes, slots[i].size));
    return result(sum);
}
