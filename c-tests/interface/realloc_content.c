/* realloc keeps the content from every size to every other, up and down. */
#include "check.h"

static const size_t sizes[] = { 1,    16,   24,    100,   128,   129,    200,    1000,    1100,
                                5000, 9000, 33000, 70000, 120000, 140000, 300000, 1 << 20, 5 << 20 };
enum { COUNT = sizeof sizes / sizeof *sizes };

static void from_to(size_t old, size_t new)
{
    unsigned char *p = malloc(old);
    CHECK(p != NULL);
    for (size_t i = 0; i < old; i++)
        p[i] = (unsigned char)(i * 31 + old);
    p = realloc(p, new);
    CHECK(p != NULL && malloc_usable_size(p) >= new);
    size_t common = old < new ? old : new;
    for (size_t i = 0; i < common; i++)
        CHECK(p[i] == (unsigned char)(i * 31 + old), "(byte %zu, from %zu to %zu)", i, old, new);
    memset(p, 0xee, malloc_usable_size(p));
    free(p);
}

int main(void)
{
    void *between[COUNT];
    for (int i = 0; i < COUNT; i++) {
        between[i] = malloc(sizes[i]);
        for (int j = 0; j < COUNT; j++)
            from_to(sizes[i], sizes[j]);
    }
    for (int i = 0; i < COUNT; i++)
        free(between[i]);
    return 0;
}
