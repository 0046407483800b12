/* Threads that build arrays of numbers, keep some, and pass half of them on by a
 * table from which any thread takes what is there and frees it. As mimalloc's
 * stress test works its heap. Steps a thread, threads. */
#include <pthread.h>
#include <stdatomic.h>
#include "bench.h"

enum { PLACES = 1000, THREADS = 32, KEPT = 500, LARGEST = 1000 };

/* An array: its length, then so many numbers. */
typedef uint64_t array;

static _Atomic(array *) table[PLACES];
static size_t steps;

struct worker {
    uint64_t random, sum;
};

/* Most are short, one of a hundred is long. */
static array *make(struct worker *w)
{
    size_t n = 1 + below(&w->random, 8);
    if (below(&w->random, 100) == 0)
        n *= LARGEST / 8;
    array *a = must(malloc((n + 1) * sizeof *a));
    a[0] = n;
    for (size_t i = 1; i <= n; i++)
        a[i] = w->random + i;
    return a;
}

/* A sum in which the order does not matter: who frees what is the scheduler's. */
static void drop(struct worker *w, array *a)
{
    if (a == NULL)
        return;
    w->sum += a[a[0]];
    free(a);
}

static void *work(void *argument)
{
    struct worker *w = argument;
    array *kept[KEPT] = {0};
    for (size_t i = 0; i < steps; i++) {
        array *new = make(w);
        size_t at = below(&w->random, KEPT);
        if (below(&w->random, 2)) {
            drop(w, kept[at]);
            kept[at] = new;
        } else {
            drop(w, atomic_exchange(&table[below(&w->random, PLACES)], new));
        }
    }
    for (size_t i = 0; i < KEPT; i++)
        drop(w, kept[i]);
    return NULL;
}

int main(int argc, char **argv)
{
    static struct worker workers[THREADS];
    pthread_t threads[THREADS];
    steps = argument(argc, argv, 1, 1000000);
    size_t n = argument(argc, argv, 2, 4);
    uint64_t sum = 0;
    if (n > THREADS)
        return 1;
    for (size_t t = 0; t < n; t++) {
        workers[t].random = 100 + t;
        if (pthread_create(&threads[t], NULL, work, &workers[t]))
            return 1;
    }
    for (size_t t = 0; t < n; t++)
        pthread_join(threads[t], NULL);
    for (size_t i = 0; i < PLACES; i++)
        drop(&workers[0], atomic_load(&table[i]));
    for (size_t t = 0; t < n; t++)
        sum += workers[t].sum;
    return result(sum);
}
