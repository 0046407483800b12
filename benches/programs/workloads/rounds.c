/* Threads in rounds: in each, a thread takes a few hundred objects of random
 * sizes up to 16 KiB and frees what its neighbour took in the round before. The
 * objects live in the pages of many rounds. Rounds, threads. */
#include <pthread.h>
#include "bench.h"

enum { THREADS = 32, OBJECTS = 400, LARGEST = 16 * 1024 };

struct worker {
    unsigned char *objects[2][OBJECTS];
    size_t sizes[2][OBJECTS];
    uint64_t random, sum;
    size_t index;
};

static struct worker workers[THREADS];
static size_t rounds, threads;
static pthread_barrier_t barrier;

static void drop(struct worker *w, struct worker *from, size_t half)
{
    for (size_t i = 0; i < OBJECTS; i++) {
        unsigned char *object = from->objects[half][i];
        if (object)
            mix(&w->sum, object[0] + ((uint64_t)object[from->sizes[half][i] - 1] << 8));
        free(object);
        from->objects[half][i] = NULL;
    }
}

static void *work(void *argument)
{
    struct worker *w = argument;
    struct worker *neighbour = &workers[(w->index + 1) % threads];
    for (size_t r = 0; r < rounds; r++) {
        size_t half = r % 2;
        for (size_t i = 0; i < OBJECTS; i++) {
            size_t size = 1 + below(&w->random, LARGEST);
            if (below(&w->random, 4))
                size = 1 + size % 512;
            unsigned char *object = must(malloc(size));
            object[0] = (unsigned char)i;
            object[size - 1] = (unsigned char)r;
            w->objects[half][i] = object;
            w->sizes[half][i] = size;
        }
        drop(w, neighbour, !half);
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t ids[THREADS];
    rounds = argument(argc, argv, 1, 600);
    threads = argument(argc, argv, 2, 4);
    uint64_t sum = 0;
    if (threads > THREADS || pthread_barrier_init(&barrier, NULL, (unsigned)threads))
        return 1;
    for (size_t t = 0; t < threads; t++) {
        workers[t].random = 40 + t;
        workers[t].index = t;
        if (pthread_create(&ids[t], NULL, work, &workers[t]))
            return 1;
    }
    for (size_t t = 0; t < threads; t++)
        pthread_join(ids[t], NULL);
    for (size_t t = 0; t < threads; t++) {
        drop(&workers[t], &workers[t], 0);
        drop(&workers[t], &workers[t], 1);
        mix(&sum, workers[t].sum);
    }
    return result(sum);
}
