/* Servers: threads replace objects at random and hand what they hold to a
 * successor: most objects are freed by another thread than the one that took
 * them. Steps, generations, the largest object's bytes, threads. After Larson and
 * Krishnan, "Memory allocation for long-running server applications" (1998). */
#include <pthread.h>
#include <semaphore.h>
#include "bench.h"

enum { OBJECTS = 2000, THREADS = 8 };

struct state {
    char *objects[OBJECTS];
    size_t sizes[OBJECTS];
    uint64_t random, sum;
    size_t steps, generations;
};

static sem_t lines_ended;
static size_t largest;

static void *serve(void *argument)
{
    struct state *s = argument;
    for (size_t i = 0; i < s->steps; i++) {
        size_t at = below(&s->random, OBJECTS);
        mix(&s->sum, look(s->objects[at], s->sizes[at]));
        free(s->objects[at]);
        s->sizes[at] = 10 + below(&s->random, largest - 10);
        s->objects[at] = must(malloc(s->sizes[at]));
        fill(s->objects[at], s->sizes[at], i);
    }
    if (--s->generations) {
        pthread_t successor;
        if (pthread_create(&successor, NULL, serve, s))
            exit(1);
        pthread_detach(successor);
    } else {
        for (int i = 0; i < OBJECTS; i++)
            free(s->objects[i]);
        sem_post(&lines_ended);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static struct state states[THREADS];
    pthread_t first;
    uint64_t sum = 0;
    largest = argument(argc, argv, 3, 500);
    size_t threads = argument(argc, argv, 4, 4);
    if (threads > THREADS)
        return 1;
    sem_init(&lines_ended, 0, 0);
    for (size_t t = 0; t < threads; t++) {
        states[t].random = 1000 + t;
        states[t].steps = argument(argc, argv, 1, 200000);
        states[t].generations = argument(argc, argv, 2, 10);
        if (pthread_create(&first, NULL, serve, &states[t]))
            return 1;
        pthread_detach(first);
    }
    for (size_t t = 0; t < threads; t++)
        sem_wait(&lines_ended);
    for (size_t t = 0; t < threads; t++)
        mix(&sum, states[t].sum);
    return result(sum);
}
