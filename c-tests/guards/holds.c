/* What a guarded object is to each function that takes one. Every object up to 16 KiB is guarded. */
#include "../check.h"
#include <sys/wait.h>

/* C23's, which glibc 2.36 does not have. */
void free_sized(void *, size_t) __attribute__((weak));
void free_aligned_sized(void *, size_t, size_t) __attribute__((weak));

static int holds(const unsigned char *p, size_t n, int value) {
    for (size_t i = 0; i < n; i++) {
        if (p[i] != value) {
            return 0;
        }
    }
    return 1;
}

int main(void) {
    CHECK(free_sized && free_aligned_sized);
    /* The usable size is what was asked for: so this is guarded. */
    unsigned char *p = malloc(100);
    CHECK(malloc_usable_size(p) == 100);
    CHECK((uintptr_t)p % 16 == 0);
    struct mallinfo2 before = mallinfo2();
    CHECK(before.hblks >= 1 && before.hblkhd >= 4096);

    /* Zeros from calloc, also after what was freed had other bytes. */
    for (int i = 0; i < 300; i++) {
        size_t n = (size_t)i * 40 + 1;
        unsigned char *z = calloc(1, n);
        CHECK(z && holds(z, n, 0) && malloc_usable_size(z) == n);
        memset(z, 0xee, n);
        errno = 7;
        free(z);
        CHECK(errno == 7);
    }

    /* A resize keeps what is there and always moves; what is too large for a slot leaves the pool. */
    memset(p, 3, 100);
    unsigned char *q = realloc(p, 200);
    CHECK(q != p && holds(q, 100, 3) && malloc_usable_size(q) == 200);
    memset(q, 4, 200);
    p = realloc(q, 50);
    CHECK(holds(p, 50, 4) && malloc_usable_size(p) == 50);
    p = realloc(p, 100000);
    CHECK(holds(p, 50, 4));
    memset(p, 5, 100000);
    p = realloc(p, 60);
    CHECK(holds(p, 60, 5) && malloc_usable_size(p) == 60);
    CHECK(realloc(p, SIZE_MAX / 4) == NULL && errno == ENOMEM && holds(p, 60, 5));
    free(p);

    /* Alignments up to a page are kept; what exceeds one is an object as any other. */
    for (size_t align = 16; align <= 65536; align *= 2) {
        for (size_t n = 1; n < 10000; n = n * 3 + 1) {
            void *a = NULL;
            CHECK(posix_memalign(&a, align, n) == 0 && (uintptr_t)a % align == 0);
            memset(a, 1, n);
            CHECK(malloc_usable_size(a) >= n);
            if (align <= 4096) {
                CHECK(malloc_usable_size(a) == n);
            }
            free(a);
            a = aligned_alloc(align, n);
            CHECK((uintptr_t)a % align == 0);
            free_aligned_sized(a, align, n);
        }
    }
    for (size_t n = 0; n < 3000; n += 7) {
        free_sized(malloc(n), n);
    }
    CHECK(malloc_usable_size(malloc(0)) < 16);

    /* A trim has nothing to take of them. */
    p = malloc(300);
    memset(p, 6, 300);
    malloc_trim(0);
    CHECK(holds(p, 300, 6));

    /* All places taken: objects as any other. */
    static unsigned char *many[2000];
    for (int i = 0; i < 2000; i++) {
        many[i] = malloc(48);
        CHECK(many[i]);
        memset(many[i], i, 48);
    }
    for (int i = 0; i < 2000; i++) {
        CHECK(holds(many[i], 48, i & 255));
        free(many[i]);
    }

    /* A child has what its parent had, and neither sees the other's. */
    memset(p, 8, 300);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(holds(p, 300, 8));
        memset(p, 9, 300);
        free(p);
        for (int i = 0; i < 300; i++) {
            unsigned char *c = malloc(100);
            CHECK(malloc_usable_size(c) == 100);
            memset(c, i, 100);
            free(c);
        }
        _exit(0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(holds(p, 300, 8));
    free(p);
    return 0;
}
