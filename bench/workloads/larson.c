/* Threads that replace objects at random and hand their objects to a successor:
 * each object is freed by another thread than the one that took it. After Larson
 * and Krishnan, "Memory allocation for long-running server applications" (1998). */
#include <pthread.h>
#include "bench.h"

enum { OBJECTS = 2000, THREADS = 4 };

struct state {
    void *objects[OBJECTS];
    uint64_t random;
    size_t steps, generations;
};

static void *serve(void *argument)
{
    struct state *s = argument;
    for (size_t i = 0; i < s->steps; i++) {
        void **at = &s->objects[next_random(&s->random) % OBJECTS];
        size_t size = 10 + next_random(&s->random) % 490;
        free(*at);
        *at = must(malloc(size));
        *(char *)*at = 1;
    }
    if (--s->generations) {
        pthread_t successor;
        if (pthread_create(&successor, NULL, serve, s))
            exit(1);
        pthread_join(successor, NULL);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static struct state states[THREADS];
    pthread_t threads[THREADS];
    for (int t = 0; t < THREADS; t++) {
        states[t].random = 1000 + (uint64_t)t;
        states[t].steps = argument(argc, argv, 1, 200000);
        states[t].generations = argument(argc, argv, 2, 10);
        if (pthread_create(&threads[t], NULL, serve, &states[t]))
            return 1;
    }
    for (int t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    return 0;
}
