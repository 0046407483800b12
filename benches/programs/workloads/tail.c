/* How long a call waits when there are many more threads than cores: THREADS
 * threads, which meet ten times, replace objects of mixed sizes; every eighth goes
 * through a table that all share and is freed by whoever replaces it. Each call
 * of malloc and free is timed. A call is hardly ever the moment at which a time
 * slice ends, so that the tail up to 99.9 % is what locks do.
 *
 * Writes nanoseconds that 999 of 1,000 calls do not exceed; with "all" as third
 * argument also other parts of the calls, each with its name. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include "bench.h"

/* Eight steps to each power of two: a figure is off by an eighth at most. */
enum { OBJECTS = 300, SHARED = 256, STEPS_PER_OCTAVE = 8, CLASSES = 64 * STEPS_PER_OCTAVE, MEETINGS = 10 };

struct histogram {
    size_t calls[CLASSES];
    uint64_t longest;
};

static _Atomic(char *) shared[SHARED];
static size_t steps;
static pthread_barrier_t meeting;
static pthread_mutex_t adding = PTHREAD_MUTEX_INITIALIZER;
static struct histogram total;

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static size_t class_of(uint64_t ns)
{
    if (ns < STEPS_PER_OCTAVE)
        return ns;
    unsigned octave = 63 - (unsigned)__builtin_clzll(ns);
    return (octave - 2) * STEPS_PER_OCTAVE + (ns >> (octave - 3) & 7);
}

/* The least number of nanoseconds of a class. */
static uint64_t least_of(size_t class)
{
    if (class < STEPS_PER_OCTAVE)
        return class;
    return (uint64_t)(8 + class % 8) << (class / 8 - 1);
}

static void count(struct histogram *h, uint64_t ns)
{
    h->calls[class_of(ns)]++;
    if (ns > h->longest)
        h->longest = ns;
}

static void *live(void *seed)
{
    static _Thread_local struct histogram mine;
    char *objects[OBJECTS] = {0};
    uint64_t state = (uint64_t)(uintptr_t)seed;
    for (size_t i = 0; i < steps; i++) {
        if (i % (steps / MEETINGS) == 0)
            pthread_barrier_wait(&meeting);
        size_t size = mixed_size(&state), at = below(&state, OBJECTS);
        uint64_t begun = now();
        char *fresh = malloc(size);
        uint64_t got = now();
        fill(must(fresh), size, i);
        char *gone;
        if (i % 8 == 0) {
            gone = atomic_exchange(&shared[at % SHARED], fresh);
        } else {
            gone = objects[at];
            objects[at] = fresh;
        }
        uint64_t freeing = now();
        free(gone);
        uint64_t freed = now();
        count(&mine, got - begun);
        if (gone)
            count(&mine, freed - freeing);
    }
    for (int i = 0; i < OBJECTS; i++)
        free(objects[i]);
    pthread_mutex_lock(&adding);
    for (int c = 0; c < CLASSES; c++)
        total.calls[c] += mine.calls[c];
    if (mine.longest > total.longest)
        total.longest = mine.longest;
    pthread_mutex_unlock(&adding);
    return NULL;
}

/* What `part` of 10,000 calls do not exceed. */
static unsigned long long at_most(size_t calls, size_t part)
{
    size_t wanted = calls * part / 10000, seen = 0, c = 0;
    while (c < CLASSES && (seen += total.calls[c]) <= wanted)
        c++;
    return least_of(c + 1);
}

int main(int argc, char **argv)
{
    size_t threads = argument(argc, argv, 1, 100), calls = 0;
    steps = argument(argc, argv, 2, 20000) / MEETINGS * MEETINGS;
    if (steps == 0)
        return 1;
    pthread_t *ids = must(calloc(threads, sizeof *ids));
    pthread_barrier_init(&meeting, NULL, (unsigned)threads);
    for (size_t t = 0; t < threads; t++)
        if (pthread_create(&ids[t], NULL, live, (void *)(t + 1)))
            return 1;
    for (size_t t = 0; t < threads; t++)
        pthread_join(ids[t], NULL);
    for (int c = 0; c < CLASSES; c++)
        calls += total.calls[c];
    printf("%llu\n", at_most(calls, 9990));
    if (argc > 3 && *argv[3] == 'a')
        printf("calls %zu\np50_ns %llu\np99_ns %llu\np9999_ns %llu\nmax_ns %llu\n", calls, at_most(calls, 5000),
               at_most(calls, 9900), at_most(calls, 9999), (unsigned long long)total.longest);
    free(ids);
    return 0;
}
