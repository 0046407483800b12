/* A large object grows although its program has protected a page in its middle,
   so that the kernel sees several mappings and may refuse to move them. */
#include "check.h"
#include <sys/mman.h>

enum { LEN = 8 << 20, PAGE = 4096 };

int main(void)
{
    unsigned char *p = malloc(LEN);
    CHECK(p != NULL);
    for (size_t i = 0; i < LEN; i += 64)
        p[i] = (unsigned char)(i >> 6);
    uintptr_t middle = ((uintptr_t)p + LEN / 2) & ~(uintptr_t)(PAGE - 1);
    CHECK(mprotect((void *)middle, PAGE, PROT_READ) == 0);
    for (int round = 0; round < 3; round++) {
        size_t n = (size_t)LEN << (round + 1);
        unsigned char *q = realloc(p, n);
        CHECK(q != NULL, "(%zu)", n);
        CHECK(malloc_usable_size(q) >= n);
        for (size_t i = 0; i < LEN; i += 64)
            CHECK(q[i] == (unsigned char)(i >> 6), "(%zu)", i);
        q[n - 1] = 1;
        p = q;
    }
    free(p);
    return 0;
}
