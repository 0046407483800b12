/* False sharing. THREADS threads take an object of SIZE bytes, write to it
 * WRITES times, free it and take the next. "active": all objects are their own;
 * an allocator that gives one cache line to several threads makes them slow.
 * "passive": the first objects come from the main thread, neighbours in memory,
 * and each is freed by the thread that got it; an allocator that lets the
 * pieces of a line go to several threads makes them share it for good. After
 * Berger and others, "Hoard" (2000). */
#include <pthread.h>
#include "bench.h"

enum { MOST = 64 };

static size_t rounds, writes, size;
static pthread_barrier_t start;

struct task {
    char *object;
    uint64_t sum;
};

static void *work(void *argument)
{
    struct task *t = argument;
    pthread_barrier_wait(&start);
    for (size_t round = 0; round < rounds; round++) {
        volatile char *object = t->object ? t->object : must(malloc(size));
        for (size_t b = 0; b < size; b++)
            object[b] = 0;
        for (size_t w = 0; w < writes; w++)
            for (size_t b = 0; b < size; b++)
                object[b]++;
        mix(&t->sum, look((const char *)object, size));
        free((char *)object);
        t->object = NULL;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static struct task tasks[MOST];
    int passive = argc > 1 && *argv[1] == 'p';
    size_t threads = argument(argc, argv, 2, 2);
    rounds = argument(argc, argv, 3, 20000);
    writes = argument(argc, argv, 4, 500);
    size = argument(argc, argv, 5, 8);
    pthread_t ids[MOST];
    uint64_t sum = 0;
    if (threads > MOST || pthread_barrier_init(&start, NULL, (unsigned)threads))
        return 1;
    for (size_t t = 0; passive && t < threads; t++)
        tasks[t].object = must(malloc(size));
    for (size_t t = 0; t < threads; t++)
        if (pthread_create(&ids[t], NULL, work, &tasks[t]))
            return 1;
    for (size_t t = 0; t < threads; t++) {
        pthread_join(ids[t], NULL);
        mix(&sum, tasks[t].sum);
    }
    return result(sum);
}
