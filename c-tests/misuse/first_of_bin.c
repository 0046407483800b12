/* Usage: first_of_bin SIZE
   Writes where the first free chunk of a bin says that nobody is in front of it, then frees another
   chunk of that bin. */
#include "check.h"

int main(int argc, char **argv)
{
    size_t size = argc > 1 ? strtoul(argv[1], NULL, 0) : 400;
    char *a = opaque(malloc(size)), *wall = malloc(size), *b = opaque(malloc(size)), *end = malloc(size);
    CHECK(a != NULL && wall != NULL && b != NULL && end != NULL);
    free(a);
    malloc_trim(0); /* whatever waits for reuse goes to the bins */
    ((volatile uintptr_t *)opaque(a))[1] = (uintptr_t)opaque(end);
    free(b);
    malloc_trim(0);
    return 0;
}
