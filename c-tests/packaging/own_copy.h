/* A copy of the library that is loaded by hand, beside the program's malloc. */
#ifndef CAIRN_OWN_COPY_H
#define CAIRN_OWN_COPY_H

#include "check.h"
#include <dlfcn.h>

struct copy {
    void *handle;
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*memalign)(size_t, size_t);
    void (*free)(void *);
    size_t (*usable)(void *);
};

static struct copy load_copy(const char *path, int flags)
{
    struct copy it;
    it.handle = dlopen(path, RTLD_NOW | flags);
    CHECK(it.handle != NULL, "%s", dlerror());
    it.malloc = (void *(*)(size_t))dlsym(it.handle, "malloc");
    it.calloc = (void *(*)(size_t, size_t))dlsym(it.handle, "calloc");
    it.realloc = (void *(*)(void *, size_t))dlsym(it.handle, "realloc");
    it.memalign = (void *(*)(size_t, size_t))dlsym(it.handle, "memalign");
    it.free = (void (*)(void *))dlsym(it.handle, "free");
    it.usable = (size_t(*)(void *))dlsym(it.handle, "malloc_usable_size");
    CHECK(it.malloc && it.calloc && it.realloc && it.memalign && it.free && it.usable);
    Dl_info info;
    CHECK(dladdr((void *)it.malloc, &info) != 0 && strcmp(info.dli_fname, path) == 0, "(%s)", info.dli_fname);
    return it;
}

/* Writes n bytes that tell seed and place, and CHECKs them later. */
static inline void fill(unsigned char *p, size_t n, unsigned seed)
{
    for (size_t at = 0; at < n; at += 1 + n / 64)
        p[at] = (unsigned char)(seed * 31 + at);
}

static inline void check_filled(const unsigned char *p, size_t n, unsigned seed)
{
    for (size_t at = 0; at < n; at += 1 + n / 64)
        CHECK(p[at] == (unsigned char)(seed * 31 + at), "(byte %zu of %zu)", at, n);
}

/* Many objects of many sizes at once, some grown, all checked and freed. */
static inline void use_copy(const struct copy *it, unsigned seed)
{
    enum { COUNT = 300 };
    unsigned char *held[COUNT];
    size_t sizes[COUNT];
    for (int round = 0; round < 3; round++) {
        for (unsigned at = 0; at < COUNT; at++) {
            seed = seed * 1103515245u + 12345u;
            size_t n = sizes[at] = (size_t)1 << (seed >> 16) % 18;
            held[at] = at % 3 == 0 ? it->calloc(n, 1) : at % 3 == 1 ? it->malloc(n) : it->memalign(64, n);
            CHECK(held[at] != NULL && it->usable(held[at]) >= n);
            fill(held[at], n, at);
        }
        for (unsigned at = 0; at < COUNT; at += 2) {
            held[at] = it->realloc(held[at], 3 * sizes[at] + 1);
            CHECK(held[at] != NULL);
            check_filled(held[at], sizes[at] < 65 ? sizes[at] : 1, at);
            fill(held[at], sizes[at], at);
        }
        for (unsigned at = 0; at < COUNT; at++) {
            check_filled(held[at], sizes[at], at);
            it->free(held[at]);
        }
    }
}

#endif
