/* A mapped chunk grows and shrinks with its content, aligned ones too. The
   test beside this one looks on with strace whether mremap did it. */
#include "check.h"

static void mark(unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i += 1000)
        p[i] = (unsigned char)(i / 1000);
}

static void marked(unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i += 1000)
        CHECK(p[i] == (unsigned char)(i / 1000), "(byte %zu of %zu)", i, n);
}

int main(void)
{
    const size_t MIB = 1 << 20;
    CHECK(mallopt(M_MMAP_THRESHOLD, 128 * 1024) == 1);

    unsigned char *p = malloc(MIB);
    CHECK(mallinfo2().hblks == 1);
    mark(p, MIB);
    for (size_t n = 2 * MIB; n <= 64 * MIB; n *= 2) {
        void *wall = malloc(MIB); /* so that it has to move now and then */
        p = realloc(p, n);
        CHECK(p != NULL && malloc_usable_size(p) >= n);
        marked(p, MIB);
        p[n - 1] = 1;
        free(wall);
    }
    for (size_t n = 32 * MIB; n >= MIB; n /= 2) {
        p = realloc(p, n);
        CHECK(p != NULL);
        marked(p, MIB);
    }
    CHECK(mallinfo2().hblks == 1 && mallinfo2().hblkhd < 2 * MIB);
    free(p);
    CHECK(mallinfo2().hblks == 0 && mallinfo2().hblkhd == 0);

    for (size_t align = 32; align <= MIB; align *= 2) {
        p = memalign(align, MIB);
        CHECK(p != NULL && (uintptr_t)p % align == 0);
        mark(p, MIB);
        p = realloc(p, 3 * MIB);
        CHECK(p != NULL && malloc_usable_size(p) >= 3 * MIB);
        marked(p, MIB);
        p[3 * MIB - 1] = 1;
        p = realloc(p, MIB / 2);
        marked(p, MIB / 2);
        free(p);
    }
    return 0;
}
