/* mapped COUNT: COUNT times realloc of a mapped chunk to the size it has. */
#include <stdlib.h>

static void *(*volatile resize)(void *, size_t) = realloc;

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 0) : 0;
    void *p = malloc(1 << 20);
    for (size_t i = 0; i < count; i++)
        p = resize(p, (1 << 20) - i % 8);
    free(p);
    return 0;
}
