/* Arenas follow the CPUs that the process may use when a thread asks for one:
   as many threads as there may be share one arena while they are bound to one
   CPU, and more threads have more when they are not. */
#include "check.h"
#include <pthread.h>
#include <sched.h>

enum { THREADS = 8 };
static pthread_barrier_t busy, done;

static void *work(void *unused)
{
    void *p = malloc(100);
    pthread_barrier_wait(&busy);
    pthread_barrier_wait(&done);
    free(p);
    return unused;
}

static int arenas(void)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    CHECK(malloc_info(0, out) == 0);
    fclose(out);
    int heaps = 0;
    for (char *at = text; (at = strstr(at, "<heap nr=")) != NULL; at++)
        heaps++;
    free(text);
    return heaps;
}

int main(void)
{
    cpu_set_t all, one;
    CPU_ZERO(&one);
    free(malloc(100));
    CHECK(sched_getaffinity(0, sizeof all, &all) == 0 && CPU_COUNT(&all) > 1);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &all))
        cpu++;
    CPU_SET(cpu, &one);
    pthread_t thread[2 * THREADS];
    pthread_barrier_init(&busy, NULL, THREADS + 1);
    pthread_barrier_init(&done, NULL, 2 * THREADS + 1);
    for (int round = 0; round < 2; round++) {
        CHECK(sched_setaffinity(0, sizeof one, round == 0 ? &one : &all) == 0);
        for (int i = 0; i < THREADS; i++)
            CHECK(pthread_create(&thread[round * THREADS + i], NULL, work, NULL) == 0);
        pthread_barrier_wait(&busy);
        int now = arenas();
        CHECK(round == 0 ? now == 1 : now > 1, "(round %d: %d arenas)", round, now);
    }
    pthread_barrier_wait(&done);
    for (int i = 0; i < 2 * THREADS; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
