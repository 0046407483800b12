/* Mixed work on a steady live set, millions of operations long. Whoever comes to
 * a slot takes what is there, and frees it, resizes it, or puts another object
 * in its place: malloc, calloc, realloc, aligned. Two threads stay for the whole
 * run and eight more come and go in each of STEPS steps, so most objects are
 * freed by another thread than the one that asked for them. After each step all
 * wait, and resident memory and address space are read.
 *
 * Arguments: the regime, operations, live KiB. Writes operations done, threads,
 * live KiB, resident KiB as the mean of each quarter, and KiB of address space
 * after half of the run and at its end. */
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include "bench.h"
#include "resident.h"

enum { STEPS = 128, STEADY = 2, PASSING = 8, SHARES = STEADY * 4 + PASSING };

struct object {
    size_t size;
};

struct regime {
    const char *name;
    size_t (*size)(uint64_t *state);
    size_t average, live_kib;
};

static _Atomic(struct object *) *slots;
static size_t places, most;
static atomic_size_t live, done;
static size_t step, share;
static pthread_barrier_t begun, ended;
static const struct regime *regime;

static size_t small_size(uint64_t *state)
{
    return 1 + below(state, 128);
}

static size_t medium_size(uint64_t *state)
{
    return 1 + below(state, 1024);
}

/* 32 KiB to 4 MiB, as many in each doubling. */
static size_t large_size(uint64_t *state)
{
    size_t from = (size_t)32768 << below(state, 7);
    return from + below(state, from);
}

/* Around another size in each sixteenth of the run. */
static size_t shifting_size(uint64_t *state)
{
    static const size_t AROUND[] = {32, 700, 96, 3000, 48, 1400, 200, 12000};
    size_t around = AROUND[step / (STEPS / 16) % (sizeof AROUND / sizeof *AROUND)];
    return around / 2 + 1 + below(state, around);
}

static const struct regime REGIMES[] = {
    {"small", small_size, 65, 8 << 10},
    {"medium", medium_size, 513, 16 << 10},
    {"mixed", mixed_size, 300, 32 << 10},
    {"large", large_size, 870000, 64 << 10},
    {"shifting", shifting_size, 400, 16 << 10},
};

/* Memory of the program's own, resident from the start. */
static void *table(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        exit(1);
    return memset(at, 0, bytes);
}

/* Writes the first and the last byte, and one in each page, or in each sixteenth
 * page of what is very large. */
static void touch(struct object *object, size_t size)
{
    unsigned char *bytes = (unsigned char *)object;
    size_t stride = size <= 128 << 10 ? 4096 : 65536;
    for (size_t at = sizeof *object; at < size; at += stride)
        bytes[at] = (unsigned char)size;
    bytes[size - 1] = (unsigned char)size;
    object->size = size;
}

static void drop(struct object *object)
{
    if (object == NULL)
        return;
    if (((unsigned char *)object)[object->size - 1] != (unsigned char)object->size)
        _exit(9);
    atomic_fetch_sub(&live, object->size);
    free(object);
}

static struct object *make(uint64_t *state, size_t size)
{
    switch (below(state, 16)) {
    case 0:
    case 1:
        return calloc(1, size);
    case 2:
        return memalign((size_t)32 << below(state, 8), size);
    default:
        return malloc(size);
    }
}

/* One turn at one slot; how many calls it took. */
static size_t turn(uint64_t *state)
{
    _Atomic(struct object *) *slot = &slots[below(state, places)];
    struct object *old = atomic_exchange(slot, NULL), *new = NULL;
    size_t size = regime->size(state), had = old == NULL ? 0 : old->size, calls = 0;
    if (size < sizeof *new + 1)
        size = sizeof *new + 1;
    if (old != NULL && below(state, 8) == 0 && atomic_load(&live) + size <= most + had) {
        new = must(realloc(old, size));
        atomic_fetch_sub(&live, had);
        calls = 1;
    } else {
        calls = old != NULL;
        drop(old);
        if (atomic_load(&live) + size <= most) {
            new = must(make(state, size));
            calls++;
        }
    }
    if (new != NULL) {
        touch(new, size);
        atomic_fetch_add(&live, size);
        drop(atomic_exchange(slot, new));
    }
    return calls;
}

static void work(uint64_t seed, size_t operations)
{
    uint64_t state = seed * 0x9e3779b97f4a7c15ULL | 1;
    size_t count = 0;
    while (count < operations)
        count += turn(&state);
    atomic_fetch_add(&done, count);
}

static void *pass(void *seed)
{
    work((uint64_t)(uintptr_t)seed, share);
    return NULL;
}

static void *stay(void *seed)
{
    for (;;) {
        pthread_barrier_wait(&begun);
        work((uint64_t)(uintptr_t)seed + step, share * 4);
        pthread_barrier_wait(&ended);
    }
    return NULL;
}

static void start(pthread_t *thread, void *(*body)(void *), size_t seed)
{
    pthread_attr_t little;
    pthread_attr_init(&little);
    pthread_attr_setstacksize(&little, 64 << 10);
    if (pthread_create(thread, &little, body, (void *)(uintptr_t)seed) != 0)
        exit(1);
    pthread_attr_destroy(&little);
}

/* All threads work, those that pass have come and gone. */
static void all_work(void)
{
    pthread_t passing[PASSING];
    pthread_barrier_wait(&begun);
    for (size_t i = 0; i < PASSING; i++)
        start(&passing[i], pass, 1000 + step * PASSING + i);
    for (size_t i = 0; i < PASSING; i++)
        pthread_join(passing[i], NULL);
    pthread_barrier_wait(&ended);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "mixed";
    for (size_t i = 0; i < sizeof REGIMES / sizeof *REGIMES; i++)
        if (strcmp(name, REGIMES[i].name) == 0)
            regime = &REGIMES[i];
    if (regime == NULL)
        return 1;
    size_t operations = argument(argc, argv, 2, 4000000);
    most = argument(argc, argv, 3, regime->live_kib) << 10;
    share = operations / STEPS / SHARES + 1;
    places = most / regime->average * 3 / 2;
    slots = table(places * sizeof *slots);
    pthread_t steady[STEADY];
    pthread_barrier_init(&begun, NULL, STEADY + 1);
    pthread_barrier_init(&ended, NULL, STEADY + 1);
    size_t before = resident_kib(), resident[4] = {0}, live_kib = 0, space[2] = {0};
    for (size_t i = 0; i < STEADY; i++)
        start(&steady[i], stay, 1 + i * 100000);

    for (step = 0; step < STEPS; step++) {
        all_work();
        resident[step * 4 / STEPS] += resident_kib() - before;
        live_kib += atomic_load(&live) >> 10;
        if (step == STEPS / 2 - 1 || step == STEPS - 1)
            space[step / (STEPS / 2)] = read_kib("/proc/self/status", "\nVmSize:");
    }
    printf("%zu %d %zu", (size_t)atomic_load(&done), STEADY + PASSING * STEPS, live_kib / STEPS);
    for (size_t i = 0; i < 4; i++)
        printf(" %zu", resident[i] / (STEPS / 4));
    printf(" %zu %zu\n", space[0], space[1]);
    fflush(stdout);
    _exit(0);
}
