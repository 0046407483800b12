/* Correct use of each function that the library exports, under a tool that may
   serve some of them itself: whatever one gives, any other may take. What the C
   library at hand does not declare is looked up, and left out where it is not.
   Prints how many were there. */
#include "check.h"
#include <dlfcn.h>

typedef void *one(size_t);
typedef void *two(size_t, size_t);
typedef void *grow(void *, size_t);
typedef void *grow_array(void *, size_t, size_t);
typedef void give_back(void *);
typedef void give_back_sized(void *, size_t);
typedef void give_back_aligned(void *, size_t, size_t);
typedef int place(void **, size_t, size_t);

enum { SIZES = 5 };
static const size_t sizes[SIZES] = {1, 40, 700, 50000, 400000};

static int functions;

static void *named(const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);
    functions += found != NULL;
    return found;
}

static give_back *frees[4];
static int kinds;

/* By each free in turn, sized ones too where the size is what was asked for. */
static void give(void *p, size_t align, size_t n)
{
    static give_back_sized *free_sized;
    static give_back_aligned *free_aligned_sized;
    static unsigned turn;
    if (kinds == 0) {
        static const char *const names[] = {"free", "cfree", "__libc_free", "__libc_cfree"};
        for (unsigned i = 0; i < 4; i++)
            if ((frees[kinds] = (give_back *)named(names[i])) != NULL)
                kinds++;
        free_sized = (give_back_sized *)named("free_sized");
        free_aligned_sized = (give_back_aligned *)named("free_aligned_sized");
    }
    turn++;
    if (turn % 3 == 0 && align == 0 && free_sized != NULL)
        free_sized(p, n);
    else if (turn % 2 == 0 && align != 0 && free_aligned_sized != NULL)
        free_aligned_sized(p, align, n);
    else
        frees[turn % (unsigned)kinds](p);
}

/* n bytes at a multiple of align (0: whatever is usual), written and read in full. */
static void use(const char *name, void *p, size_t align, size_t n)
{
    CHECK(p != NULL && (uintptr_t)p % (align ? align : 1) == 0, "(%s, %zu)", name, n);
    CHECK(malloc_usable_size(p) >= n, "(%s)", name);
    memset(p, 1, n);
    CHECK(memchr(p, 0, n) == NULL, "(%s)", name);
}

static void each_size(size_t n)
{
    static const char *const plain[] = {"malloc", "__libc_malloc", "valloc", "__libc_valloc",
                                        "pvalloc", "__libc_pvalloc"};
    static const char *const aligned[] = {"memalign", "__libc_memalign", "aligned_alloc"};
    static const char *const zeroed[] = {"calloc", "__libc_calloc"};
    static const char *const grown[] = {"realloc", "__libc_realloc"};
    static const char *const arrays[] = {"reallocarray", "__libc_reallocarray"};
    static const char *const placed[] = {"posix_memalign", "__posix_memalign"};
    /* Each three times: as many kinds of free meet it. */
    for (int round = 0; round < 12; round++) {
        functions = 0;
        kinds = 0;
        for (int i = 0; i < 6; i++) {
            one *f = (one *)named(plain[i]);
            if (f == NULL)
                continue;
            void *p = f(n);
            use(plain[i], p, 0, n);
            give(p, i < 2 ? 0 : (size_t)sysconf(_SC_PAGESIZE), i < 4 ? n : (n + 4095) / 4096 * 4096);
        }
        for (int i = 0; i < 3; i++) {
            two *f = (two *)named(aligned[i]);
            if (f == NULL)
                continue;
            void *p = f(256, n);
            use(aligned[i], p, 256, n);
            give(p, 256, n);
        }
        for (int i = 0; i < 2; i++) {
            place *f = (place *)named(placed[i]);
            void *p = NULL;
            if (f == NULL)
                continue;
            CHECK(f(&p, 512, n) == 0);
            use(placed[i], p, 512, n);
            give(p, 512, n);
        }
        for (int i = 0; i < 2; i++) {
            two *f = (two *)named(zeroed[i]);
            if (f == NULL)
                continue;
            unsigned char *p = f(n, 3);
            for (size_t at = 0; at < 3 * n; at++)
                CHECK(p[at] == 0);
            use(zeroed[i], p, 0, 3 * n);
            give(p, 0, 3 * n);
        }
        for (int i = 0; i < 2; i++) {
            grow *resize = (grow *)named(grown[i]);
            grow_array *array = (grow_array *)named(arrays[i]);
            unsigned char *p = NULL;
            if (resize != NULL) {
                use(grown[i], p = resize(p, n), 0, n);
                use(grown[i], p = resize(p, 4 * n), 0, 4 * n);
            }
            if (array != NULL) {
                use(arrays[i], p = array(p, n, 2), 0, 2 * n);
                use(arrays[i], p = array(p, n, 5), 0, 5 * n);
                errno = 0;
                CHECK(array(p, any(SIZE_MAX), 2) == NULL && errno == ENOMEM);
                CHECK(p[5 * n - 1] == 1);
                give(p, 0, 5 * n);
                use(arrays[i], p = array(NULL, n, 1), 0, n);
                give(p, 0, n);
            } else {
                give(p, 0, 4 * n);
            }
        }
        give(NULL, 0, n);
        give(NULL, 256, n);
    }
}

static void statistics(void)
{
    static const char *const control[] = {"mallopt", "__libc_mallopt"};
    static const char *const look[] = {"mallinfo", "__libc_mallinfo"};
    void *held = malloc(100000);
    for (int i = 0; i < 2; i++) {
        int (*f)(int, int) = (int (*)(int, int))named(control[i]);
        struct mallinfo (*g)(void) = (struct mallinfo (*)(void))named(look[i]);
        CHECK(f == NULL || f(M_MMAP_THRESHOLD, 1 << 20) == 1);
        CHECK(g == NULL || g().uordblks >= 0);
    }
    struct mallinfo2 (*g)(void) = (struct mallinfo2 (*)(void))named("mallinfo2");
    CHECK(g == NULL || g().uordblks + 1 > 0);
    functions += 4;
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    CHECK(stream != NULL && malloc_info(0, stream) == 0);
    fclose(stream);
    CHECK(length > 0 && strlen(text) == length);
    free(text);
    FILE *was = stderr;
    CHECK((stderr = fopen("/dev/null", "w")) != NULL);
    if (dup2(fileno(stderr), 2) == 2)
        malloc_stats();
    fclose(stderr);
    stderr = was;
    malloc_trim(0);
    CHECK(malloc_usable_size(NULL) == 0);
    free(held);
}

int main(void)
{
    for (int i = 0; i < SIZES; i++)
        each_size(sizes[i]);
    statistics();
    printf("%d functions\n", functions);
    return 0;
}
