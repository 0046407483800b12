/* Usage: double_free_merged SIZE
   Frees three neighbours, has them merged into one free chunk, and frees the
   middle one again. */
#include "check.h"

int main(int argc, char **argv)
{
    size_t size = strtoul(argv[1], NULL, 0);
    use_up_first_requests();
    void *a = malloc(size), *b = opaque(malloc(size)), *c = malloc(size), *behind = malloc(size);
    void *stale = opaque(b);
    CHECK(behind != NULL);
    free(a);
    free(b);
    free(c);
    malloc_trim(0);
    free(stale);
    return 0;
}
