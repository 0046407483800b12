/* An array that grows by realloc to 64 MiB in uneven steps and shrinks again
   keeps its content; the memory after each growth is writable to its end. */
#include "check.h"

static unsigned char at(size_t i) { return (unsigned char)(i * 31 + (i >> 8)); }

int main(void)
{
    unsigned char *p = NULL;
    size_t held = 0;
    for (size_t n = 1; n <= (size_t)64 << 20; n += n / 2 + 1) {
        unsigned char *q = realloc(p, n);
        CHECK(q != NULL, "(%zu)", n);
        CHECK(malloc_usable_size(q) >= n, "(%zu)", n);
        for (size_t i = 0; i < held; i += held / 512 + 1)
            CHECK(q[i] == at(i), "(%zu of %zu)", i, n);
        if (held > 0)
            CHECK(q[held - 1] == at(held - 1), "(%zu)", n);
        for (size_t i = held; i < n; i++)
            q[i] = at(i);
        p = q;
        held = n;
    }
    for (; held > 1; held -= held / 3 + 1) {
        p = realloc(p, held);
        CHECK(p != NULL, "(%zu)", held);
        CHECK(p[0] == at(0) && p[held - 1] == at(held - 1), "(%zu)", held);
    }
    free(p);
    return 0;
}
