/* Usage: double_free SIZE FREES HOW
   Frees an object of SIZE bytes twice, with FREES other frees between.
     plain        both in one thread
     overwritten  the freed bytes are overwritten before the second free
     first        another thread, since ended, freed it first
     second       another thread frees it a second time
     realloc      the first free was a realloc that moved it */
#include "check.h"
#include <pthread.h>
#include <semaphore.h>

/* The thread is there from the beginning: starting one allocates, and might be
   given the very memory that was freed. */
static sem_t go;
static void *theirs;

static void *free_when_told(void *unused)
{
    sem_wait(&go);
    free(theirs);
    return unused;
}

static void free_elsewhere(pthread_t thread, void *p)
{
    theirs = p;
    sem_post(&go);
    CHECK(pthread_join(thread, NULL) == 0);
}

int main(int argc, char **argv)
{
    size_t size = strtoul(argv[1], NULL, 0), frees = strtoul(argv[2], NULL, 0);
    const char *how = argc > 3 ? argv[3] : "plain";
    use_up_first_requests();
    void **others = calloc(frees + 1, sizeof *others);
    void *before = malloc(size), *p = opaque(malloc(size)), *stale = opaque(p), *behind = malloc(size);
    CHECK(others != NULL && before != NULL && p != NULL && behind != NULL);
    for (size_t i = 0; i < frees; i++)
        others[i] = malloc(i % 2 && size < 1000 ? size : 40);
    pthread_t thread;
    sem_init(&go, 0, 0);
    CHECK(pthread_create(&thread, NULL, free_when_told, NULL) == 0);
    size_t usable = malloc_usable_size(p);

    if (strcmp(how, "first") == 0)
        free_elsewhere(thread, p);
    else if (strcmp(how, "realloc") == 0)
        CHECK(opaque(realloc(p, 10 * size + 3000)) != stale);
    else
        free(p);
    for (size_t i = 0; i < frees; i++)
        free(others[i]);
    if (strcmp(how, "overwritten") == 0)
        memset(stale, 0x41, usable);
    if (strcmp(how, "second") == 0)
        free_elsewhere(thread, stale);
    else
        free(stale);
    return 0;
}
