/* What a thread's cache holds when another thread trims goes back the next time that the thread
 * takes a slow way: mallinfo2 counts each object as free by itself until then. */
#define _GNU_SOURCE
#include "check.h"
#include <malloc.h>
#include <pthread.h>

enum { OBJECTS = 900, ROUNDS = 8, LEAST = 100 };

static pthread_barrier_t step;

static void *work(void *unused)
{
    (void)unused;
    static void *all[OBJECTS];
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < OBJECTS; i++)
            all[i] = malloc(64);
        for (int i = 0; i < OBJECTS; i++)
            free(all[i]);
    }
    pthread_barrier_wait(&step);
    pthread_barrier_wait(&step);
    /* A size that its cache has none of. */
    free(malloc(3000));
    pthread_barrier_wait(&step);
    pthread_barrier_wait(&step);
    return NULL;
}

int main(void)
{
    pthread_t thread;
    CHECK(pthread_barrier_init(&step, NULL, 2) == 0, "a barrier");
    CHECK(pthread_create(&thread, NULL, work, NULL) == 0, "a thread");
    pthread_barrier_wait(&step);
    malloc_trim(0);
    size_t before = mallinfo2().ordblks;
    pthread_barrier_wait(&step);
    pthread_barrier_wait(&step);
    size_t after = mallinfo2().ordblks;
    CHECK(before >= after + LEAST, "%zu free after the trim, %zu after the thread's next call", before, after);
    pthread_barrier_wait(&step);
    pthread_join(thread, NULL);
    return 0;
}
