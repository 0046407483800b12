/* Four threads take objects, each from its own arena; then one thread frees them in turns. How
 * often that locks an arena is what the statistics build counts. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

enum { THREADS = 4, OBJECTS = 10000 };

static const size_t sizes[] = { 64, 300, 900 };
static void *all[THREADS][OBJECTS];
static pthread_barrier_t taken;

static void *take(void *number)
{
    for (int i = 0; i < OBJECTS; i++) {
        all[(uintptr_t)number][i] = malloc(sizes[i * 3 / OBJECTS]);
        if (all[(uintptr_t)number][i] == NULL)
            abort();
    }
    pthread_barrier_wait(&taken);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    pthread_barrier_init(&taken, NULL, THREADS);
    for (uintptr_t t = 0; t < THREADS; t++)
        if (pthread_create(&threads[t], NULL, take, (void *)t) != 0)
            return 1;
    for (int t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    for (int i = 0; i < OBJECTS; i++)
        for (int t = 0; t < THREADS; t++)
            free(all[t][i]);
    return 0;
}
