/* ways COUNT WHAT: COUNT steps of a way through the allocator that is longer than a pair:
 *   order     a thousand objects of 64 bytes are taken, then freed in their order; a step is one
 *             of either
 *   aligned   memalign(64, 100) and free
 *   doubling  realloc from 16 bytes to 4,096 by doubling, and free
 *   remote    objects of 64 bytes that one thread takes and another one frees */
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { OBJECTS = 1000, MOST = 30000 };
static void *(*volatile take)(size_t) = malloc;
static void *(*volatile take_aligned)(size_t, size_t) = memalign;
static void *(*volatile resize)(void *, size_t) = realloc;
static void (*volatile give)(void *) = free;
static void *all[MOST];

static void *taker(void *count)
{
    for (size_t i = 0; i < *(size_t *)count; i++)
        all[i] = take(64);
    return NULL;
}

int main(int argc, char **argv)
{
    size_t count = argc > 2 ? strtoul(argv[1], NULL, 0) : 0;
    const char *what = argc > 2 ? argv[2] : "";
    if (strcmp(what, "order") == 0) {
        for (size_t i = 0; i < count; i++)
            if (i / OBJECTS % 2 == 0)
                all[i % OBJECTS] = take(64);
            else
                give(all[i % OBJECTS]);
    } else if (strcmp(what, "aligned") == 0) {
        for (size_t i = 0; i < count; i++)
            give(take_aligned(64, 100));
    } else if (strcmp(what, "doubling") == 0) {
        for (size_t i = 0; i < count; i++) {
            void *p = take(16);
            for (size_t n = 32; n <= 4096; n *= 2)
                p = resize(p, n);
            give(p);
        }
    } else if (strcmp(what, "remote") == 0 && count <= MOST) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, taker, &count) != 0 || pthread_join(thread, NULL) != 0)
            return 1;
        for (size_t i = 0; i < count; i++)
            give(all[i]);
    } else
        return 2;
    return 0;
}
