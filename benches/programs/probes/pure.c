/* THREADS threads allocate and free COUNT objects of 16 to 271 bytes each, and
 * do nothing else: what a call costs that somebody looks at on the way. */
#include <pthread.h>
#include "bench.h"

enum { MOST = 64 };

static void *(*volatile take)(size_t) = malloc;
static void (*volatile give)(void *) = free;
static size_t count;

static void *work(void *number)
{
    uint32_t seed = (uint32_t)(uintptr_t)number + 1;
    uintptr_t seen = 0;
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1103515245u + 12345u;
        void *p = take(16 + (seed >> 24));
        seen |= (uintptr_t)p;
        give(p);
    }
    return (void *)seen;
}

int main(int argc, char **argv)
{
    pthread_t threads[MOST];
    count = argument(argc, argv, 1, 8000000);
    size_t others = argument(argc, argv, 2, 1) - 1;
    if (others >= MOST)
        return 2;
    for (size_t i = 0; i < others; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)(i + 1)) != 0)
            return 1;
    if (work(NULL) == NULL && count != 0)
        return 1;
    for (size_t i = 0; i < others; i++)
        pthread_join(threads[i], NULL);
    return result(count * (others + 1));
}
