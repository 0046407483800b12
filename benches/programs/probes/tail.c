/* 100 threads replace objects, of which a part comes from other threads. Writes, in
 * nanoseconds, how long the 999th of 1,000 calls of malloc or free takes. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "bench.h"

enum { THREADS = 100, TURNS = 8000, HELD = 200, SHARED = 4096, COLUMNS = 40, STEPS = 16 };

static _Atomic(void *) shared[SHARED];
/* Calls by duration: a column for each doubling, in sixteen steps. */
static atomic_ulong calls[COLUMNS * STEPS];

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static unsigned place(uint64_t nanoseconds)
{
    if (nanoseconds < STEPS)
        return (unsigned)nanoseconds;
    unsigned doubling = 63 - (unsigned)__builtin_clzll(nanoseconds);
    unsigned step = (nanoseconds >> (doubling - 4)) & (STEPS - 1);
    unsigned at = (doubling - 3) * STEPS + step;
    return at < COLUMNS * STEPS ? at : COLUMNS * STEPS - 1;
}

static uint64_t value(unsigned at)
{
    if (at < STEPS)
        return at;
    unsigned doubling = at / STEPS + 3;
    return (1ULL << doubling) + ((uint64_t)(at % STEPS) << (doubling - 4));
}

static void *work(void *number)
{
    static __thread unsigned own[COLUMNS * STEPS];
    void *held[HELD] = { 0 };
    uint64_t state = 77 + (uintptr_t)number * 1000003;
    for (int turn = 0; turn < TURNS; turn++) {
        size_t at = next_random(&state) % HELD;
        void *gone = held[at];
        /* One in eight is handed on and freed by whoever comes upon it. */
        if (next_random(&state) % 8 == 0)
            gone = atomic_exchange(&shared[next_random(&state) % SHARED], gone);
        size_t size = mixed_size(&state);
        uint64_t a = now();
        free(gone);
        uint64_t b = now();
        held[at] = must(malloc(size));
        uint64_t c = now();
        *(char *)held[at] = 1;
        own[place(b - a)]++;
        own[place(c - b)]++;
    }
    for (int i = 0; i < HELD; i++)
        free(held[i]);
    for (int i = 0; i < COLUMNS * STEPS; i++)
        atomic_fetch_add(&calls[i], own[i]);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)i) != 0)
            return 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    unsigned long all = 0, seen = 0;
    for (int i = 0; i < COLUMNS * STEPS; i++)
        all += calls[i];
    unsigned at = 0;
    while (at < COLUMNS * STEPS && (seen += calls[at]) * 1000 < all * 999)
        at++;
    printf("%llu\n", (unsigned long long)value(at));
    return 0;
}
