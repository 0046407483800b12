/* Every alias is the function it is named after: its memory goes back through
   any of the others, and its answers are the same. */
#include "check.h"
#include <dlfcn.h>

static void *named(const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);
    CHECK(found != NULL, "(%s)", name);
    Dl_info info;
    CHECK(dladdr(found, &info) != 0 && strstr(info.dli_fname, "libcairn.so") != NULL, "(%s)", name);
    return found;
}

#define AS(type, name) ((type)named(name))
typedef void *one(size_t);
typedef void *two(size_t, size_t);
typedef void *grow(void *, size_t);
typedef void *grow_array(void *, size_t, size_t);
typedef void give_back(void *);
typedef int place(void **, size_t, size_t);
typedef struct mallinfo look(void);

static give_back *const *frees;

static void check(const char *name, void *p, size_t n, size_t align)
{
    static int turn;
    CHECK(p != NULL && (uintptr_t)p % align == 0, "(%s)", name);
    CHECK(malloc_usable_size(p) >= n, "(%s)", name);
    memset(p, 1, n);
    frees[turn++ % 4](p);
}

int main(void)
{
    give_back *const all[] = {
        AS(give_back *, "free"), AS(give_back *, "cfree"),
        AS(give_back *, "__libc_free"), AS(give_back *, "__libc_cfree"),
    };
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    frees = all;
    for (int round = 0; round < 4; round++)
        for (size_t n = 1; n < 500000; n += n / 2 + 1) {
            check("__libc_malloc", AS(one *, "__libc_malloc")(n), n, 16);
            check("__libc_memalign", AS(two *, "__libc_memalign")(512, n), n, 512);
            check("__libc_valloc", AS(one *, "__libc_valloc")(n), n, page);
            check("__libc_pvalloc", AS(one *, "__libc_pvalloc")(n), (n + page - 1) / page * page, page);
            void *p = NULL;
            CHECK(AS(place *, "__posix_memalign")(&p, 1024, n) == 0);
            check("__posix_memalign", p, n, 1024);
            CHECK(AS(place *, "__posix_memalign")(&p, 24, n) == EINVAL);

            unsigned char *zeroes = AS(two *, "__libc_calloc")(n, 3);
            for (size_t at = 0; at < 3 * n; at++)
                CHECK(zeroes[at] == 0);
            memset(zeroes, 7, 3 * n);
            zeroes = AS(grow *, "__libc_realloc")(zeroes, 5 * n);
            for (size_t at = 0; at < 3 * n; at++)
                CHECK(zeroes[at] == 7);
            zeroes = AS(grow_array *, "__libc_reallocarray")(zeroes, n, 2);
            for (size_t at = 0; at < 2 * n; at++)
                CHECK(zeroes[at] == 7);
            errno = 0;
            CHECK(AS(grow_array *, "__libc_reallocarray")(zeroes, any(SIZE_MAX), 2) == NULL && errno == ENOMEM);
            check("__libc_reallocarray", zeroes, 2 * n, 16);
            errno = 0;
            CHECK(AS(two *, "__libc_calloc")(any(SIZE_MAX), 2) == NULL && errno == ENOMEM);
        }
    void *held = malloc(100000);
    struct mallinfo info = AS(look *, "__libc_mallinfo")();
    CHECK(info.uordblks + info.hblkhd >= 100000);
    CHECK(AS(int (*)(int, int), "__libc_mallopt")(M_MMAP_THRESHOLD, 1 << 20) == 1);
    free(held);
    return 0;
}
