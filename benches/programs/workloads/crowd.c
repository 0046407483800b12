/* A crowd: THREADS threads, many more than cores, each with a live set of its
 * own that it replaces at random. Every eighth object goes to a table that all
 * share, and whoever puts it there frees what lay there. All threads meet ten
 * times, so that none has ended before others begin and all sets live at once. */
#include <pthread.h>
#include <stdatomic.h>
#include "bench.h"

enum { OBJECTS = 400, SHARED = 256, MEETINGS = 10 };

struct object {
    size_t size;
    char bytes[];
};

static _Atomic(struct object *) shared[SHARED];
static atomic_ullong sum;
static size_t steps;
static pthread_barrier_t meeting;

/* What an object's bytes say. All of them are freed once, by whichever thread:
 * the sum is the same in any order. */
static void drop(struct object *o)
{
    if (o == NULL)
        return;
    atomic_fetch_add_explicit(&sum, look(o->bytes, o->size), memory_order_relaxed);
    free(o);
}

static void *live(void *seed)
{
    struct object *objects[OBJECTS] = {0};
    uint64_t state = (uint64_t)(uintptr_t)seed;
    for (size_t i = 0; i < steps; i++) {
        if (i % (steps / MEETINGS) == 0)
            pthread_barrier_wait(&meeting);
        size_t at = below(&state, OBJECTS);
        size_t size = mixed_size(&state);
        struct object *fresh = must(malloc(sizeof *fresh + size));
        fresh->size = size;
        fill(fresh->bytes, size, i);
        if (i % 8 == 0) {
            drop(atomic_exchange(&shared[below(&state, SHARED)], fresh));
        } else {
            drop(objects[at]);
            objects[at] = fresh;
        }
    }
    pthread_barrier_wait(&meeting);
    for (int i = 0; i < OBJECTS; i++)
        drop(objects[i]);
    return NULL;
}

int main(int argc, char **argv)
{
    size_t threads = argument(argc, argv, 1, 100);
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
    for (int i = 0; i < SHARED; i++)
        drop(shared[i]);
    free(ids);
    return result(sum);
}
