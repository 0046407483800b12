/* Usage: heap WHAT SIZE
   Misuses an object of a heap of the program's own. The functions are looked up, since the program is
   preloaded and not linked. */
#include "check.h"
#include <dlfcn.h>

int main(int argc, char **argv)
{
    CHECK(argc == 3, "");
    void *(*new)(const char *, size_t) =
        (void *(*)(const char *, size_t))dlsym(RTLD_DEFAULT, "cairn_heap_new");
    void *(*alloc)(void *, size_t) = (void *(*)(void *, size_t))dlsym(RTLD_DEFAULT, "cairn_heap_alloc");
    void *(*resize)(void *, void *, size_t) =
        (void *(*)(void *, void *, size_t))dlsym(RTLD_DEFAULT, "cairn_heap_realloc");
    void (*give)(void *, void *) = (void (*)(void *, void *))dlsym(RTLD_DEFAULT, "cairn_heap_free");
    void (*destroy)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "cairn_heap_destroy");
    CHECK(new && alloc && resize && give && destroy, "");
    size_t size = strtoul(argv[2], NULL, 0);
    const char *what = argv[1];
    void *heap = new ("one", 0), *other = new ("other", 0);
    char *object = opaque(alloc(heap, size)), *behind = opaque(alloc(heap, size));
    CHECK(object != NULL && behind != NULL, "");
    if (strcmp(what, "other") == 0) {
        give(other, object);
    } else if (strcmp(what, "resize") == 0) {
        resize(other, object, size + 1);
    } else if (strcmp(what, "plain") == 0) {
        give(heap, opaque(malloc(size)));
    } else if (strcmp(what, "twice") == 0) {
        give(heap, object);
        give(heap, object);
    } else if (strcmp(what, "freed-twice") == 0) {
        free(object);
        free(object);
    } else if (strcmp(what, "inside") == 0) {
        give(heap, object + 16);
    } else if (strcmp(what, "overflow") == 0) {
        memset(object, 'x', malloc_usable_size(object) + 8);
        give(heap, behind);
    } else if (strcmp(what, "ended") == 0) {
        destroy(heap);
        free(object);
    } else if (strcmp(what, "ended-heap") == 0) {
        destroy(heap);
        alloc(heap, size);
    } else if (strcmp(what, "late") == 0) {
        /* In check mode: written after its free, and the heap ends. */
        give(heap, object);
        object[0] = 'x';
        destroy(heap);
    } else if (strcmp(what, "past-end") == 0) {
        /* In check mode: written past its end, and the heap ends. */
        object[size] = (char)~object[size];
        destroy(heap);
    } else {
        CHECK(0, "(%s)", what);
    }
    return 0;
}
