/* Thousands of threads that hold a few objects each end at the same moment, and all give their
   caches back. What one of them waits is counted in sleeps, not in time: a lock that sends who
   waits to sleep for a while sends most of them again and again. */
#include "check.h"
#include <pthread.h>
#include <sys/resource.h>

enum { THREADS = 8000, OBJECTS = 40, SLEEPS = 8, CANNOT = 77 };

static pthread_barrier_t all;

static void *live(void *argument)
{
    uintptr_t number = (uintptr_t)argument;
    unsigned char *own[OBJECTS];
    for (unsigned at = 0; at < OBJECTS; at++) {
        CHECK((own[at] = malloc(16 + number * at % 900)) != NULL);
        memset(own[at], (int)(number + at), 16);
    }
    pthread_barrier_wait(&all);
    for (unsigned at = 0; at < OBJECTS; at++) {
        for (int byte = 0; byte < 16; byte++)
            CHECK(own[at][byte] == (unsigned char)(number + at));
        free(own[at]);
    }
    return NULL;
}

int main(void)
{
    static pthread_t threads[THREADS];
    pthread_attr_t small;
    /* The least is 128 KiB on aarch64. */
    CHECK(pthread_attr_init(&small) == 0 && pthread_attr_setstacksize(&small, 128 << 10) == 0);
    CHECK(pthread_barrier_init(&all, NULL, THREADS + 1) == 0);
    for (uintptr_t at = 0; at < THREADS; at++)
        if (pthread_create(&threads[at], &small, live, (void *)at) != 0)
            _exit(CANNOT);
    pthread_barrier_wait(&all);
    for (int at = 0; at < THREADS; at++)
        CHECK(pthread_join(threads[at], NULL) == 0);
    struct rusage used;
    CHECK(getrusage(RUSAGE_SELF, &used) == 0);
    CHECK(used.ru_nvcsw <= (long)THREADS * SLEEPS, "in %ld sleeps of %d threads", used.ru_nvcsw, THREADS);
    return 0;
}
