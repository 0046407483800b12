/* One thread allocates, another frees: batches go through a queue. */
#include <pthread.h>
#include "bench.h"

enum { BATCH = 500, QUEUE = 8 };

static void *queue[QUEUE][BATCH];
static size_t filled, emptied, batches;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void *consume(void *unused)
{
    for (size_t b = 0; b < batches; b++) {
        pthread_mutex_lock(&lock);
        while (emptied == filled)
            pthread_cond_wait(&changed, &lock);
        pthread_mutex_unlock(&lock);
        for (int i = 0; i < BATCH; i++)
            free(queue[b % QUEUE][i]);
        pthread_mutex_lock(&lock);
        emptied++;
        pthread_cond_signal(&changed);
        pthread_mutex_unlock(&lock);
    }
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t consumer;
    uint64_t state = 3;
    batches = argument(argc, argv, 1, 5000);
    if (pthread_create(&consumer, NULL, consume, NULL))
        return 1;
    for (size_t b = 0; b < batches; b++) {
        pthread_mutex_lock(&lock);
        while (filled - emptied == QUEUE)
            pthread_cond_wait(&changed, &lock);
        pthread_mutex_unlock(&lock);
        for (int i = 0; i < BATCH; i++) {
            size_t size = 16 + next_random(&state) % 500;
            char *object = must(malloc(size));
            *object = 1;
            queue[b % QUEUE][i] = object;
        }
        pthread_mutex_lock(&lock);
        filled++;
        pthread_cond_signal(&changed);
        pthread_mutex_unlock(&lock);
    }
    pthread_join(consumer, NULL);
    return 0;
}
