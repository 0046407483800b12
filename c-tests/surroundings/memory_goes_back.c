/* What is resident after a peak falls to what is live.
   "peak": everything is freed, in random order; some work follows, which is what
   drives the giving back, and no trim. A third of the peak at least is gone then.
   "threads": four threads had it, freed it and ended; malloc_trim.
   "interior": long-lived objects remain everywhere in between; malloc_trim.
   "survivors": the same, and the work that follows instead of a trim. */
#define _GNU_SOURCE
#include "check.h"
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>

static long before;

static void expect_below(long limit, const char *when)
{
    long now = resident_kib();
    if (now > limit) {
        printf("%s: %ld KiB resident, %ld KiB before, at most %ld KiB expected\n", when, now, before, limit);
        exit(1);
    }
}

/* Room for pointers that is not the allocator's, so that it does not count. */
static void **index_of(size_t count)
{
    void **index = mmap(NULL, count * sizeof *index, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(index != MAP_FAILED);
    return index;
}

static void shuffle(void **index, size_t count, uint64_t *state)
{
    for (size_t at = count - 1; at > 0; at--) {
        size_t other = next_random(state) % (at + 1);
        void *kept = index[at];
        index[at] = index[other];
        index[other] = kept;
    }
}

static void peak_of(size_t bytes, size_t size, uint64_t seed)
{
    size_t count = bytes / size;
    uint64_t state = seed;
    void **index = index_of(count);
    for (size_t at = 0; at < count; at++) {
        size_t asked = size / 2 + next_random(&state) % size;
        index[at] = malloc(asked);
        CHECK(index[at] != NULL);
        memset(index[at], 1, asked);
    }
    shuffle(index, count, &state);
    for (size_t at = 0; at < count; at++)
        free(index[at]);
    CHECK(munmap(index, count * sizeof *index) == 0);
}

static const size_t average[] = {40, 300, 5000, 70000};

static void *peak_in_thread(void *number)
{
    uintptr_t at = (uintptr_t)number;
    peak_of((size_t)24 << 20, average[at], at + 9);
    return NULL;
}

static void interior(size_t size, size_t every, long percent, int trims)
{
    size_t count = ((size_t)64 << 20) / size;
    void **index = index_of(count);
    for (size_t at = 0; at < count; at++) {
        index[at] = malloc(size);
        CHECK(index[at] != NULL);
        fill(index[at], size, (unsigned)at);
    }
    /* The index is resident as well. */
    long peak = resident_kib() - (long)(count * sizeof *index / 1024);
    CHECK(peak > before + 60000);
    for (size_t at = 0; at < count; at++)
        if (at % every != 0)
            free(index[at]);
    long limit = before + (peak - before) * percent / 100 + (long)(count * sizeof *index / 1024);
    if (trims)
        CHECK(malloc_trim(0) == 1);
    else
        for (int more = 0; more < 10000 && resident_kib() > limit; more++)
            churn(3, 100000);
    expect_below(limit, "with objects in between");
    for (size_t at = 0; at < count; at += every) {
        CHECK(is_filled(index[at], size, (unsigned)at));
        free(index[at]);
    }
    malloc_trim(0);
    CHECK(munmap(index, count * sizeof *index) == 0);
    expect_below(before + 8192, "after a trim with nothing live");
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    check_served();
    churn(1, 1000);
    before = resident_kib();
    CHECK(before > 0);
    if (strcmp(argv[1], "peak") == 0) {
        size_t bytes = (size_t)96 << 20;
        for (size_t at = 0; at < sizeof average / sizeof *average; at++) {
            peak_of(bytes, average[at], at + 1);
            /* What lay free for a while goes when something is freed after it. */
            for (int more = 0; more < 10000 && resident_kib() > before + (long)(bytes >> 10) * 2 / 3; more++)
                churn(2, 100000);
            expect_below(before + (long)(bytes >> 10) * 2 / 3, "after a peak, without a trim");
        }
        malloc_trim(0);
        expect_below(before + 16384, "after a peak and a trim");
    } else if (strcmp(argv[1], "threads") == 0) {
        for (int round = 0; round < 3; round++) {
            pthread_t threads[4];
            for (uintptr_t at = 0; at < 4; at++)
                CHECK(pthread_create(&threads[at], NULL, peak_in_thread, (void *)at) == 0);
            for (int at = 0; at < 4; at++)
                CHECK(pthread_join(threads[at], NULL) == 0);
            malloc_trim(0);
            expect_below(before + 12288, "after threads that ended, and a trim");
        }
    } else {
        int trims = strcmp(argv[1], "interior") == 0;
        CHECK(trims || strcmp(argv[1], "survivors") == 0);
        interior(1000, 256, 25, trims);
        interior(48, 8192, 50, trims);
        interior(48, 512, 50, trims);
        interior(20000, 16, 25, trims);
    }
    return 0;
}
