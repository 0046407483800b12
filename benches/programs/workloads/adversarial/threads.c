/* Adversarial: threads that wait, end, come in numbers, or free what is another's. */
#define _GNU_SOURCE
#include "adversarial.h"

#include <pthread.h>
#include <sched.h>

static pthread_barrier_t barrier;
static pthread_t threads[4096];
static size_t count;
static size_t share;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static void start(size_t n, void *(*body)(void *))
{
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 << 10);
    count = n;
    pthread_barrier_init(&barrier, NULL, (unsigned)n + 1);
    for (size_t i = 0; i < n; i++)
        if (pthread_create(&threads[i], &small, body, (void *)i) != 0)
            exit(1);
}

static void join(void)
{
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static void meet(void)
{
    pthread_barrier_wait(&barrier);
}

static void nothing_prepare(size_t factor)
{
    (void)factor;
}

/* The threads still wait when all is measured. */
static void let_go(size_t factor)
{
    (void)factor;
    meet();
    join();
}

static void whole(size_t factor)
{
    (void)factor;
}

static void take_and_free(size_t n, size_t size)
{
    struct kept *all = must(malloc(n * sizeof *all));
    for (size_t i = 0; i < n; i++)
        all[i] = keep(size, i);
    meet();
    for (size_t i = 0; i < n; i++) {
        expect(all[i].p, size, i);
        drop(&all[i]);
    }
    free(all);
    meet();
    meet();
}

/* The table's: threads free all they had and wait; another one works a little. */
static void *idle_body(void *which)
{
    (void)which;
    take_and_free(share, 1000);
    return NULL;
}

static void idle_prepare(size_t factor)
{
    share = factor * 1000;
    start(4, idle_body);
    meet();
    meet();
}

static size_t idle_operate(size_t factor)
{
    idle_work(1200);
    /* MiB that the threads had. */
    return factor * 4;
}
#define idle_check let_go

/* The table's: small objects that threads free and then wait, and a trim. */
static void *only_freed_body(void *which)
{
    (void)which;
    struct kept *all = must(malloc(share * sizeof *all));
    for (size_t i = 0; i < share; i++)
        all[i] = keep(16 + i * 37 % 900, i);
    meet();
    for (size_t i = 0; i < share; i++)
        drop(&all[i]);
    free(all);
    meet();
    meet();
    return NULL;
}

static void only_freed_prepare(size_t factor)
{
    share = 8000;
    start(factor, only_freed_body);
    meet();
    meet();
}

static size_t only_freed_operate(size_t factor)
{
    malloc_trim(0);
    return factor;
}
#define only_freed_check let_go

/* The table's: many threads that end at once; and what each costs that is there. */
static void *ends_body(void *which)
{
    struct kept all[40];
    for (size_t i = 0; i < 40; i++)
        all[i] = keep(16 + ((size_t)which * i) % 900, i);
    meet();
    for (size_t i = 0; i < 40; i++) {
        expect(all[i].p, all[i].size, i);
        drop(&all[i]);
    }
    return NULL;
}

#define ends_prepare nothing_prepare
static size_t ends_operate(size_t factor)
{
    start(factor * 32, ends_body);
    meet();
    join();
    return factor * 32;
}
#define ends_check whole

/* thread::create in cache/thread.rs: a cache a thread, a strip, an array for each class. */
static void *there_body(void *which)
{
    (void)which;
    struct kept k[8];
    for (size_t i = 0; i < 8; i++)
        k[i] = keep(24 << i, i);
    for (size_t i = 0; i < 8; i++)
        drop(&k[i]);
    meet();
    meet();
    return NULL;
}

#define there_prepare nothing_prepare
static size_t there_operate(size_t factor)
{
    start(factor * 16, there_body);
    meet();
    return factor * 16;
}
#define there_check let_go

/* thread::finish in cache/thread.rs: threads one after another, each with more objects of other
 * classes, whose arrays go back one by one. */
static void *brief_body(void *which)
{
    for (size_t i = 0; i < 64; i++) {
        struct kept k = keep(16 + i * 500 * ((size_t)which % 8 + 1) % 30000, i);
        drop(&k);
    }
    return NULL;
}

#define brief_prepare nothing_prepare
static size_t brief_operate(size_t factor)
{
    for (size_t i = 0; i < factor * 50; i++) {
        pthread_create(&threads[0], NULL, brief_body, (void *)i);
        pthread_join(threads[0], NULL);
    }
    return factor * 50;
}
#define brief_check whole

/* Cache::widen_to in cache/arrays.rs: what a cache may hold is a share of what all may, as many as
 * there are when it grows. Threads come one after another, fill theirs and wait. */
static void *full_body(void *which)
{
    struct kept k[32];
    for (size_t round = 0; round < 6; round++)
        for (size_t size = 24; size < 4000; size += size / 8) {
            for (size_t i = 0; i < 32; i++)
                k[i] = keep(size, i);
            for (size_t i = 0; i < 32; i++)
                drop(&k[i]);
        }
    (void)which;
    meet();
    pthread_mutex_lock(&turn);
    pthread_mutex_unlock(&turn);
    return NULL;
}

#define full_prepare nothing_prepare
static size_t full_operate(size_t factor)
{
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 << 10);
    count = factor * 8;
    pthread_barrier_init(&barrier, NULL, 2);
    /* They wait for this until all is measured. */
    pthread_mutex_lock(&turn);
    for (size_t i = 0; i < count; i++) {
        pthread_create(&threads[i], &small, full_body, NULL);
        /* It has filled its cache. */
        meet();
    }
    return count;
}

static void full_check(size_t factor)
{
    (void)factor;
    pthread_mutex_unlock(&turn);
    join();
}

/* The table's: objects of several arenas, freed in turns. Spill in cache/spill.rs. */
static struct kept *shared;

static void *turns_body(void *which)
{
    for (size_t i = (size_t)which; i < share; i += count)
        shared[i] = keep(100, i);
    meet();
    meet();
    return NULL;
}

static void arenas_prepare(size_t factor)
{
    mallopt(M_ARENA_MAX, 16);
    share = 16000;
    shared = apart(share * sizeof *shared);
    start(factor, turns_body);
    meet();
}

static size_t arenas_operate(size_t factor)
{
    (void)factor;
    for (size_t i = 0; i < share; i++)
        drop(&shared[i]);
    return share;
}
#define arenas_check let_go

/* Cache::give in cache/refill.rs: one thread takes, another frees, in portions that grow. */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static size_t filled;
enum { PORTIONS = 20 };

static void wait_for(size_t state)
{
    pthread_mutex_lock(&turn);
    while (filled != state)
        pthread_cond_wait(&changed, &turn);
    pthread_mutex_unlock(&turn);
}

static void now_is(size_t state)
{
    pthread_mutex_lock(&turn);
    filled = state;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&turn);
}

static void *consume(void *which)
{
    (void)which;
    for (size_t portion = 0; portion < PORTIONS; portion++) {
        wait_for(2 * portion + 1);
        for (size_t i = 0; i < share; i++) {
            expect(shared[i].p, shared[i].size, i);
            drop(&shared[i]);
        }
        now_is(2 * portion + 2);
    }
    return NULL;
}

static void portions_prepare(size_t factor)
{
    share = factor * 500;
    shared = apart(share * sizeof *shared);
    pthread_create(&threads[0], NULL, consume, NULL);
    count = 1;
}

static size_t portions_operate(size_t factor)
{
    (void)factor;
    for (size_t portion = 0; portion < PORTIONS; portion++) {
        for (size_t i = 0; i < share; i++)
            shared[i] = keep(16 + i * 29 % 700, i);
        now_is(2 * portion + 1);
        wait_for(2 * portion + 2);
    }
    return PORTIONS * share;
}

static void portions_check(size_t factor)
{
    (void)factor;
    join();
}

/* Lock in sync/lock.rs: threads that all want one arena. */
static void *crowd_body(void *which)
{
    uint64_t seed = (uint64_t)which + 1;
    struct kept ring[16] = {{0}};
    for (size_t i = 0; i < share; i++) {
        size_t at = below(&seed, 16), size = 33000 + below(&seed, 16000);
        if (ring[at].p != NULL)
            drop(&ring[at]);
        ring[at].p = must(malloc(size));
        ring[at].p[0] = 1;
    }
    for (size_t i = 0; i < 16; i++)
        free(ring[i].p);
    meet();
    return NULL;
}

static void crowd_prepare(size_t factor)
{
    (void)factor;
    mallopt(M_ARENA_MAX, 1);
    share = 1000;
}

static size_t crowd_operate(size_t factor)
{
    start(factor * 2, crowd_body);
    meet();
    join();
    return share * factor * 2;
}
#define crowd_check whole

CASES(CASE(idle), CASE(only_freed), CASE(ends), CASE(there), CASE(brief), CASE(full),
      CASE(arenas), CASE(portions), CASE(crowd))
