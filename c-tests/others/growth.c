/* Arrays that grow by realloc in uneven steps, one to 64 MiB, then two in turns,
   which lie in each other's way, and shrink again, keep their content; the
   memory after each growth is writable to its end. */
#include "check.h"

struct array {
    unsigned char *p;
    size_t n;
};

static unsigned char at(size_t i) { return (unsigned char)(i * 31 + (i >> 8)); }

static void grow(struct array *a, size_t n)
{
    unsigned char *q = realloc(a->p, n);
    CHECK(q != NULL, "(%zu)", n);
    CHECK(malloc_usable_size(q) >= n, "(%zu)", n);
    for (size_t i = 0; i < a->n; i += a->n / 512 + 1)
        CHECK(q[i] == at(i), "(%zu of %zu)", i, n);
    if (a->n > 0)
        CHECK(q[a->n - 1] == at(a->n - 1), "(%zu)", n);
    for (size_t i = a->n; i < n; i++)
        q[i] = at(i);
    *a = (struct array){q, n};
}

static void shrink(struct array *a)
{
    a->p = realloc(a->p, a->n);
    CHECK(a->p != NULL, "(%zu)", a->n);
    CHECK(a->p[0] == at(0) && a->p[a->n - 1] == at(a->n - 1), "(%zu)", a->n);
    a->n -= a->n / 3 + 1;
}

static void grow_and_shrink(struct array *arrays, int count, size_t most)
{
    for (size_t n = 1; n <= most; n += n / 2 + 1)
        for (int i = 0; i < count; i++)
            grow(&arrays[i], n);
    while (arrays[0].n > 1)
        for (int i = 0; i < count; i++)
            shrink(&arrays[i]);
    for (int i = 0; i < count; i++)
        free(arrays[i].p);
}

int main(void)
{
    struct array alone = {0}, pair[2] = {{0}};
    grow_and_shrink(&alone, 1, (size_t)64 << 20);
    grow_and_shrink(pair, 2, (size_t)16 << 20);
    return 0;
}
