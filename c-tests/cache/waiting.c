/* waiting others|own BYTES: sixteen threads free objects of up to so many bytes, which the main
 * thread took, or themselves, and then wait; the main thread trims. Prints what is resident above
 * the level before there were objects, KiB. */
#define _GNU_SOURCE
#include "../surroundings/check.h"
#include <malloc.h>
#include <pthread.h>

enum { THREADS = 16, OBJECTS = 20000 };

static void *all[THREADS][OBJECTS];
static pthread_barrier_t step;
static size_t most;
static int own;

static void take(unsigned t)
{
    for (unsigned i = 0; i < OBJECTS; i++) {
        all[t][i] = malloc(16 + ((i * 2654435761u + t * 40503u) >> 8) % most);
        CHECK(all[t][i] != NULL);
        memset(all[t][i], 1, 16);
    }
}

static void *work(void *number)
{
    unsigned t = (unsigned)(uintptr_t)number;
    if (own)
        take(t);
    pthread_barrier_wait(&step);
    for (unsigned i = 0; i < OBJECTS; i++)
        free(all[t][i * 7919u % OBJECTS]);
    pthread_barrier_wait(&step);
    pthread_barrier_wait(&step);
    return NULL;
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    own = strcmp(argv[1], "own") == 0;
    most = strtoul(argv[2], NULL, 0);
    memset(all, 1, sizeof all);
    pthread_t threads[THREADS];
    CHECK(pthread_barrier_init(&step, NULL, THREADS + 1) == 0);
    long before = resident_kib();
    for (unsigned t = 0; !own && t < THREADS; t++)
        take(t);
    for (uintptr_t t = 0; t < THREADS; t++)
        CHECK(pthread_create(&threads[t], NULL, work, (void *)t) == 0);
    pthread_barrier_wait(&step);
    pthread_barrier_wait(&step);
    malloc_trim(0);
    printf("%ld\n", resident_kib() - before);
    pthread_barrier_wait(&step);
    for (int t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    return 0;
}
