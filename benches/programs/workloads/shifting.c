/* Resident memory over live memory while sizes shift. In each of PHASES phases
 * the program asks for objects around another size until it has BYTES of them,
 * and then frees all but a twentieth. Survivors stay for twenty phases, so that
 * from the twentieth phase on as much is live in survivors as a phase brings.
 * From there on a sample is taken whenever a phase has all its objects.
 *
 * Writes KiB that are live and KiB that are resident, each the mean of all
 * samples. */
#include <sys/mman.h>
#include "bench.h"
#include "resident.h"

struct slot {
    char *bytes;
    size_t size;
};

enum { STAY = 20 };

static size_t before, live, samples, all_live, all_resident;
static uint64_t sum;

static void sample(void)
{
    all_live += live >> 10;
    all_resident += resident_kib() - before;
    samples++;
}

/* A table of the program's own, resident from the start. */
static struct slot *table(size_t slots)
{
    size_t bytes = slots * sizeof(struct slot);
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        exit(1);
    return memset(at, 0, bytes);
}

static void drop(struct slot *gone)
{
    mix(&sum, look(gone->bytes, gone->size));
    live -= gone->size;
    free(gone->bytes);
}

int main(int argc, char **argv)
{
    size_t bytes = argument(argc, argv, 1, 16 << 20);
    size_t phases = argument(argc, argv, 2, 60);
    static const size_t AROUND[] = {32, 700, 96, 3000, 48, 1400, 200, 12000, 64, 400, 160, 6000, 80};
    uint64_t state = 53;
    size_t most = bytes / 16, kept[STAY] = {0};
    struct slot *slots = table(most), *stay = table(most / 8 * STAY);
    before = resident_kib();

    for (size_t phase = 0; phase < phases; phase++) {
        size_t around = AROUND[phase % (sizeof AROUND / sizeof *AROUND)];
        size_t count = 0, taken = 0;
        while (taken < bytes && count < most) {
            struct slot *at = &slots[count++];
            at->size = around / 2 + 1 + below(&state, around);
            at->bytes = must(malloc(at->size));
            fill(at->bytes, at->size, count);
            taken += at->size;
            live += at->size;
        }
        if (phase >= STAY)
            sample();
        struct slot *survivors = stay + phase % STAY * (most / 8);
        for (size_t i = 0; i < kept[phase % STAY]; i++)
            drop(&survivors[i]);
        size_t left = 0;
        for (size_t i = 0; i < count; i++)
            if (left < most / 8 && below(&state, 20) == 0)
                survivors[left++] = slots[i];
            else
                drop(&slots[i]);
        kept[phase % STAY] = left;
    }
    if (samples == 0)
        return 1;
    printf("%zu %zu\n", all_live / samples, all_resident / samples);
    return result(sum);
}
