/* Destructors of thread-specific data and of thread_local objects allocate,
   free what other destructors allocated, and set their keys again, with key
   numbers below and above 32 and in every round that POSIX grants. Afterwards
   the memory they kept is whole. */
#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>

extern int __cxa_thread_atexit_impl(void (*)(void *), void *, void *);
extern void *__dso_handle;

enum { KEYS = 100, THREADS = 400, AT_ONCE = 4 };

static pthread_key_t keys[KEYS];
static atomic_long specific_runs, local_runs, kept_count;
static _Atomic(void *) kept[THREADS * 2];

static void keep(void)
{
    void *memory = malloc(48);
    CHECK(memory != NULL);
    fill(memory, 48, 77);
    long at = atomic_fetch_add(&kept_count, 1);
    if (at < THREADS * 2)
        atomic_store(&kept[at], memory);
    else
        free(memory);
}

static void destroy_specific(void *value)
{
    uintptr_t *fields = value;
    atomic_fetch_add(&specific_runs, 1);
    CHECK(fields[0] < KEYS);
    CHECK(is_filled(fields + 2, 64, (unsigned)fields[0]));
    churn((unsigned)fields[0], 20);
    if (fields[1] > 0) {
        uintptr_t *again = calloc(1, 2 * sizeof *again + 64);
        CHECK(again != NULL);
        again[0] = fields[0];
        again[1] = fields[1] - 1;
        fill(again + 2, 64, (unsigned)again[0]);
        CHECK(pthread_setspecific(keys[fields[0]], again) == 0);
    }
    if (fields[0] % 50 == 0)
        keep();
    free(value);
}

static void destroy_local(void *value)
{
    atomic_fetch_add(&local_runs, 1);
    CHECK(is_filled(value, 200, 5));
    free(value);
    churn(6, 20);
}

static void *live(void *unused)
{
    for (uintptr_t at = 0; at < KEYS; at++) {
        if (at % 3 == 1)
            continue;
        uintptr_t *value = calloc(1, 2 * sizeof *value + 64);
        CHECK(value != NULL);
        value[0] = at;
        value[1] = at % 7 == 0 ? 3 : 0;
        fill(value + 2, 64, (unsigned)at);
        CHECK(pthread_setspecific(keys[at], value) == 0);
    }
    for (int at = 0; at < 10; at++) {
        void *value = malloc(200);
        CHECK(value != NULL);
        fill(value, 200, 5);
        CHECK(__cxa_thread_atexit_impl(destroy_local, value, &__dso_handle) == 0);
    }
    return unused;
}

int main(void)
{
    check_served();
    for (int at = 0; at < KEYS; at++)
        CHECK(pthread_key_create(&keys[at], destroy_specific) == 0);
    CHECK(keys[KEYS - 1] >= 32);
    for (int count = 0; count < THREADS; count += AT_ONCE) {
        pthread_t threads[AT_ONCE];
        for (int at = 0; at < AT_ONCE; at++)
            CHECK(pthread_create(&threads[at], NULL, live, NULL) == 0);
        for (int at = 0; at < AT_ONCE; at++)
            CHECK(pthread_join(threads[at], NULL) == 0);
    }
    long values = 0, rounds = 0;
    for (int at = 0; at < KEYS; at++)
        if (at % 3 != 1) {
            values++;
            rounds += at % 7 == 0 ? 3 : 0;
        }
    CHECK(atomic_load(&specific_runs) == (values + rounds) * THREADS);
    CHECK(atomic_load(&local_runs) == 10 * THREADS);
    for (int at = 0; at < THREADS * 2; at++) {
        CHECK(is_filled(kept[at], 48, 77));
        free(kept[at]);
    }
    return 0;
}
