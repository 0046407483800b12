/* malloc_trim gives back free pages between live objects, in every arena. */
#include "check.h"
#include <pthread.h>

enum { COUNT = 8000, SIZE = 4000 };

static size_t resident(void)
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    CHECK(statm != NULL && fscanf(statm, "%*u %lu", &pages) == 1);
    fclose(statm);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static pthread_barrier_t freed, trimmed;

/* 32 MB, of which every 50th object stays. */
static void riddle(void)
{
    char **p = calloc(COUNT, sizeof *p);
    for (int i = 0; i < COUNT; i++)
        memset(p[i] = malloc(SIZE), 1, SIZE);
    for (int i = 0; i < COUNT; i++)
        if (i % 50 != 0)
            free(p[i]);
}

static void *other(void *unused)
{
    riddle();
    pthread_barrier_wait(&freed);
    pthread_barrier_wait(&trimmed);
    return unused;
}

int main(void)
{
    CHECK(mallopt(M_TRIM_THRESHOLD, 1 << 30) == 1);
    pthread_barrier_init(&freed, NULL, 2);
    pthread_barrier_init(&trimmed, NULL, 2);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, other, NULL) == 0);
    riddle();
    pthread_barrier_wait(&freed);
    CHECK(malloc_trim(0) == 1);
    /* 64 MB were touched, 1.3 MB of them are live. What the other thread keeps
       in its own cache is out of reach. */
    size_t after = resident();
    CHECK(after < (12u << 20), "(%zu bytes resident)", after);
    pthread_barrier_wait(&trimmed);
    pthread_join(thread, NULL);
    return 0;
}
