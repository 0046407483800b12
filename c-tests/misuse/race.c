/* Usage: race SIZE
   Two threads free one object at the same moment. If neither notices, the
   object may still not be handed out twice when, both frees done, first the one
   thread asks for objects of that size, then the other. */
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>

enum { COUNT = 3000 };
static size_t size;
static void *shared;
static atomic_int ready, done;

static void meet(atomic_int *count)
{
    atomic_fetch_add(count, 1);
    while (atomic_load(count) < 2)
        ;
}

static void free_shared(void)
{
    /* Each has a cache by now, so that the two frees are short. */
    free(malloc(size));
    meet(&ready);
    free(shared);
    meet(&done);
}

static void *ask_again(void *all)
{
    for (int i = 0; i < COUNT; i++)
        ((void **)all)[i] = malloc(size);
    return NULL;
}

static void *other(void *all)
{
    free_shared();
    return ask_again(all);
}

static int by_address(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static void *all[2 * COUNT];
    size = strtoul(argv[1], NULL, 0);
    use_up_first_requests();
    shared = malloc(size);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, other, all) == 0);
    free_shared();
    pthread_join(thread, NULL);
    ask_again(all + COUNT);
    qsort(all, 2 * COUNT, sizeof *all, by_address);
    for (int i = 1; i < 2 * COUNT; i++)
        CHECK(all[i] != all[i - 1], "(%p was handed out twice)", all[i]);
    return 0;
}
