/* Freeing a mapped chunk raises the trim threshold too, to twice its size: what
   is free at the top of the heap stays until there is more than that. */
#include "check.h"

enum { COUNT = 200, SIZE = 100000 };

int main(void)
{
    static char *p[COUNT];
    free(malloc(24u << 20));
    for (int i = 0; i < COUNT; i++)
        memset(p[i] = malloc(SIZE), 1, SIZE);
    size_t full = mallinfo2().arena;
    CHECK(full >= (size_t)COUNT * SIZE);
    for (int i = 0; i < COUNT; i++)
        free(p[i]);
    CHECK(mallinfo2().arena == full, "(%zu, then %zu)", full, mallinfo2().arena);
    return 0;
}
