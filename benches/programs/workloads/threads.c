/* Threads that come and go, eight at a time, each with OBJECTS objects for its
 * short life. */
#include <pthread.h>
#include <stdatomic.h>
#include "bench.h"

enum { TOGETHER = 8, MOST = 1000 };

static size_t count;
static atomic_ullong sum;

static void *live(void *seed)
{
    char *objects[MOST];
    size_t sizes[MOST];
    uint64_t state = 1 + (uint64_t)(uintptr_t)seed, seen = 0;
    for (size_t i = 0; i < count; i++) {
        sizes[i] = 8 + below(&state, 1000);
        objects[i] = must(malloc(sizes[i]));
        fill(objects[i], sizes[i], i);
    }
    for (size_t i = 0; i < count; i++) {
        mix(&seen, look(objects[i], sizes[i]));
        free(objects[i]);
    }
    atomic_fetch_add(&sum, seen);
    return NULL;
}

int main(int argc, char **argv)
{
    size_t rounds = argument(argc, argv, 1, 400);
    count = argument(argc, argv, 2, 300);
    if (count > MOST)
        return 1;
    for (size_t round = 0; round < rounds; round++) {
        pthread_t threads[TOGETHER];
        for (uintptr_t t = 0; t < TOGETHER; t++)
            if (pthread_create(&threads[t], NULL, live, (void *)(round * TOGETHER + t)))
                return 1;
        for (int t = 0; t < TOGETHER; t++)
            pthread_join(threads[t], NULL);
    }
    return result(sum);
}
