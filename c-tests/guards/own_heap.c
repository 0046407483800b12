/* An object of a heap of the program's own stays in it when it is resized, guards or not. */
#include "../check.h"
#include <dlfcn.h>

int main(void)
{
    void *(*new)(const char *, size_t) =
        (void *(*)(const char *, size_t))dlsym(RTLD_DEFAULT, "cairn_heap_new");
    void *(*alloc)(void *, size_t) = (void *(*)(void *, size_t))dlsym(RTLD_DEFAULT, "cairn_heap_alloc");
    void *(*resize)(void *, void *, size_t) =
        (void *(*)(void *, void *, size_t))dlsym(RTLD_DEFAULT, "cairn_heap_realloc");
    void (*give)(void *, void *) = (void (*)(void *, void *))dlsym(RTLD_DEFAULT, "cairn_heap_free");
    CHECK(new && alloc && resize && give, "");
    void *heap = new ("one", 0);
    for (size_t i = 0; i < 2000; i++) {
        char *p = alloc(heap, 100);
        CHECK(p != NULL, "");
        memset(p, 7, 100);
        /* A plain realloc leaves it there, too. */
        p = i % 2 == 0 ? resize(heap, p, 1000 + i) : realloc(p, 1000 + i);
        CHECK(p != NULL && p[99] == 7, "");
        give(heap, p);
    }
    return 0;
}
