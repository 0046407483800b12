/* Aligned objects are made by one thread, resized by the next and freed by the
   one after that. */
#include "check.h"
#include <pthread.h>

enum { THREADS = 4, OBJECTS = 600, ROUNDS = 12 };

static struct object {
    unsigned char *p;
    size_t n;
    unsigned char fill;
} objects[THREADS][OBJECTS];
static pthread_barrier_t round_over;

static unsigned draw(unsigned *state) { return (*state = *state * 1103515245u + 12345u) >> 8; }

static void make(struct object *o, unsigned *seed)
{
    size_t align = (size_t)8 << draw(seed) % 11;
    o->n = 1 + draw(seed) % (draw(seed) % 8 == 0 ? 200000 : 2000);
    o->fill = (unsigned char)draw(seed);
    o->p = memalign(align, o->n);
    CHECK(o->p != NULL && (uintptr_t)o->p % align == 0);
    memset(o->p, o->fill, o->n);
}

static void expect(const struct object *o, size_t n)
{
    for (size_t i = 0; i < n; i += i < 64 ? 1 : 61)
        CHECK(o->p[i] == o->fill, "(byte %zu of %zu)", i, o->n);
    CHECK(o->p[n - 1] == o->fill);
}

static void resize(struct object *o, unsigned *seed)
{
    size_t n = 1 + draw(seed) % (2 * o->n);
    o->p = realloc(o->p, n);
    CHECK(o->p != NULL);
    expect(o, n < o->n ? n : o->n);
    memset(o->p, o->fill, n);
    o->n = n;
}

static void *work(void *which)
{
    unsigned me = (unsigned)(uintptr_t)which, seed = me + 1;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct object *row = objects[(me + round) % THREADS];
        for (int i = 0; i < OBJECTS; i++) {
            if (round % 3 == 0)
                make(&row[i], &seed);
            else if (round % 3 == 1)
                resize(&row[i], &seed);
            else {
                expect(&row[i], row[i].n);
                free(row[i].p);
            }
        }
        pthread_barrier_wait(&round_over);
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    CHECK(pthread_barrier_init(&round_over, NULL, THREADS) == 0);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i) == 0);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}
