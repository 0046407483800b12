/* Every result is aligned to 16 bytes, whatever the size and the call. */
#include "check.h"

static void check(void *p, size_t n)
{
    CHECK(p != NULL, "(%zu bytes)", n);
    CHECK((uintptr_t)p % 16 == 0, "(%zu bytes at %p)", n, p);
    memset(p, 0xa5, n);
}

static void every_call(size_t n)
{
    void *m = malloc(n), *c = calloc(1, n), *r = realloc(NULL, n);
    check(m, n);
    check(c, n);
    check(r, n);
    m = realloc(m, n + 40);
    check(m, n + 40);
    free(m);
    free(c);
    free(r);
}

int main(void)
{
    for (size_t n = 0; n <= 4096; n++)
        every_call(n);
    for (size_t n = 4096; n <= (8u << 20); n += n / 3)
        every_call(n);
    return 0;
}
