/* The library (its path is the argument) is loaded after start, by a program
   that runs on another malloc and that has taken the first 40 keys: what is
   fetched with dlsym serves several threads, and both allocators live on. */
#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>

static void *(*their_malloc)(size_t);
static void (*their_free)(void *);
static void *(*their_realloc)(void *, size_t);
static size_t (*their_usable)(void *);

static void *use_both(void *number)
{
    unsigned seed = (unsigned)(uintptr_t)number;
    uint64_t state = seed + 1;
    enum { SLOTS = 200 };
    void *slots[SLOTS] = {0};
    size_t sizes[SLOTS] = {0};
    for (int round = 0; round < 20000; round++) {
        int at = (int)(next_random(&state) % SLOTS);
        if (slots[at] != NULL) {
            CHECK(is_filled(slots[at], sizes[at], seed + (unsigned)at));
            if (round % 5 == 0) {
                size_t grown = sizes[at] + 100;
                slots[at] = their_realloc(slots[at], grown);
                CHECK(slots[at] != NULL && is_filled(slots[at], sizes[at] < 4 ? 0 : 4, seed + (unsigned)at));
                CHECK(their_usable(slots[at]) >= grown);
            }
            their_free(slots[at]);
        }
        sizes[at] = some_size(&state);
        slots[at] = their_malloc(sizes[at]);
        CHECK(slots[at] != NULL);
        fill(slots[at], sizes[at], seed + (unsigned)at);
        if (round % 200 == 0)
            churn(seed, 30);
    }
    for (int at = 0; at < SLOTS; at++)
        their_free(slots[at]);
    return NULL;
}

static pthread_barrier_t used, closed;

/* Ends only after the library was closed: what it left with the thread must
   still be there to run. */
static void *outlive(void *unused)
{
    their_free(their_malloc(100));
    pthread_barrier_wait(&used);
    pthread_barrier_wait(&closed);
    return unused;
}

int main(int count, char **arguments)
{
    CHECK(count == 2);
    for (int key = 0; key < 40; key++) {
        pthread_key_t unused;
        CHECK(pthread_key_create(&unused, NULL) == 0);
    }
    void *early = malloc(1000);
    void *library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        fail_at(__FILE__, __LINE__, dlerror());
    their_malloc = (void *(*)(size_t))dlsym(library, "malloc");
    their_free = (void (*)(void *))dlsym(library, "free");
    their_realloc = (void *(*)(void *, size_t))dlsym(library, "realloc");
    their_usable = (size_t(*)(void *))dlsym(library, "malloc_usable_size");
    CHECK(their_malloc != NULL && their_free != NULL && their_realloc != NULL && their_usable != NULL);
    CHECK(their_malloc != malloc);
    free(early);
    use_both((void *)(uintptr_t)100);
    for (int batch = 0; batch < 5; batch++) {
        pthread_t threads[4];
        for (uintptr_t at = 0; at < 4; at++)
            CHECK(pthread_create(&threads[at], NULL, use_both, (void *)(at * 1000)) == 0);
        for (int at = 0; at < 4; at++)
            CHECK(pthread_join(threads[at], NULL) == 0);
    }
    pthread_t thread;
    CHECK(pthread_barrier_init(&used, NULL, 2) == 0 && pthread_barrier_init(&closed, NULL, 2) == 0);
    CHECK(pthread_create(&thread, NULL, outlive, NULL) == 0);
    pthread_barrier_wait(&used);
    CHECK(dlclose(library) == 0);
    pthread_barrier_wait(&closed);
    CHECK(pthread_join(thread, NULL) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        exit(0);
    check_child(child);
    churn(4, 1000);
    return 0;
}
