/* Usage: arena_count ATLEAST ATMOST [PARAMETER VALUE]
   Sixteen threads that allocate at the same time share between ATLEAST and
   ATMOST arenas, counted as malloc_info's heaps. */
#include "check.h"
#include <pthread.h>

enum { THREADS = 16 };
static pthread_barrier_t busy, counted;

static void *work(void *unused)
{
    for (int round = 0; round < 10; round++) {
        void *p[200];
        for (int i = 0; i < 200; i++)
            p[i] = malloc(10 + 10 * i);
        if (round == 9)
            pthread_barrier_wait(&busy);
        if (round == 9)
            pthread_barrier_wait(&counted);
        for (int i = 0; i < 200; i++)
            free(p[i]);
    }
    return unused;
}

int main(int argc, char **argv)
{
    if (argc > 4)
        CHECK(mallopt(atoi(argv[3]), atoi(argv[4])) == 1);
    pthread_t thread[THREADS];
    pthread_barrier_init(&busy, NULL, THREADS + 1);
    pthread_barrier_init(&counted, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&thread[i], NULL, work, NULL) == 0);
    pthread_barrier_wait(&busy);
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    CHECK(malloc_info(0, out) == 0);
    fclose(out);
    int heaps = 0;
    for (char *at = text; (at = strstr(at, "<heap nr=")) != NULL; at++)
        heaps++;
    CHECK(heaps >= atoi(argv[1]) && heaps <= atoi(argv[2]), "(%d arenas)", heaps);
    pthread_barrier_wait(&counted);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
