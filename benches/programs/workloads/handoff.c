/* One thread allocates, another frees. COUNT objects go through a ring whose
 * ends are published every BATCH objects: one by one with a batch of 1. "both"
 * makes it balanced: each of the two threads allocates for the other. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include "bench.h"

enum { RING = 4096 };

struct ring {
    _Alignas(128) atomic_size_t filled;
    _Alignas(128) atomic_size_t emptied;
    _Alignas(128) char *objects[RING];
    size_t sizes[RING];
};

struct side {
    struct ring *out, *in;
    uint64_t random, sum;
};

static struct ring rings[2];
static size_t count, batch;

/* Nothing to do until the other thread has come further: leave it the core. */
static void rest(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
}

/* Gives a batch if there is room for it. */
static int give(struct side *s, size_t done)
{
    if (done + batch - atomic_load_explicit(&s->out->emptied, memory_order_acquire) > RING)
        return 0;
    for (size_t i = done; i < done + batch; i++) {
        size_t size = 16 + below(&s->random, 500), at = i % RING;
        char *object = must(malloc(size));
        fill(object, size, i);
        s->out->objects[at] = object;
        s->out->sizes[at] = size;
    }
    atomic_store_explicit(&s->out->filled, done + batch, memory_order_release);
    return 1;
}

/* Frees a batch if one has come. */
static int take(struct side *s, size_t done)
{
    if (atomic_load_explicit(&s->in->filled, memory_order_acquire) == done)
        return 0;
    for (size_t i = done; i < done + batch; i++) {
        size_t at = i % RING;
        mix(&s->sum, look(s->in->objects[at], s->in->sizes[at]));
        free(s->in->objects[at]);
    }
    atomic_store_explicit(&s->in->emptied, done + batch, memory_order_release);
    return 1;
}

static void *run(void *argument)
{
    struct side *s = argument;
    size_t given = s->out ? 0 : count, taken = s->in ? 0 : count;
    while (given < count || taken < count) {
        int moved = 0;
        if (given < count && give(s, given)) {
            given += batch;
            moved = 1;
        }
        if (taken < count && take(s, taken)) {
            taken += batch;
            moved = 1;
        }
        if (!moved)
            rest();
    }
    return NULL;
}

int main(int argc, char **argv)
{
    batch = argument(argc, argv, 1, 256);
    count = argument(argc, argv, 2, 2500000) / batch * batch;
    int both = argc > 3 && *argv[3] == 'b';
    struct side first = {&rings[0], both ? &rings[1] : NULL, 3, 0};
    struct side second = {both ? &rings[1] : NULL, &rings[0], 4, 0};
    pthread_t other;
    if (RING % batch || pthread_create(&other, NULL, run, &second))
        return 1;
    run(&first);
    pthread_join(other, NULL);
    mix(&first.sum, second.sum);
    return result(first.sum);
}
