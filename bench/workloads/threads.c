/* Threads that come and go, each with objects of its own for a short life. */
#include <pthread.h>
#include "bench.h"

enum { TOGETHER = 8, OBJECTS = 300 };

static void *live(void *seed)
{
    void *objects[OBJECTS];
    uint64_t state = 1 + (uint64_t)(uintptr_t)seed;
    for (int i = 0; i < OBJECTS; i++) {
        size_t size = 8 + next_random(&state) % 1000;
        objects[i] = must(malloc(size));
        touch(objects[i], size);
    }
    for (int i = 0; i < OBJECTS; i++)
        free(objects[i]);
    return NULL;
}

int main(int argc, char **argv)
{
    size_t rounds = argument(argc, argv, 1, 400);
    for (size_t round = 0; round < rounds; round++) {
        pthread_t threads[TOGETHER];
        for (uintptr_t t = 0; t < TOGETHER; t++)
            if (pthread_create(&threads[t], NULL, live, (void *)(round * TOGETHER + t)))
                return 1;
        for (int t = 0; t < TOGETHER; t++)
            pthread_join(threads[t], NULL);
    }
    return 0;
}
