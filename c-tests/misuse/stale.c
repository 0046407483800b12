/* Usage: stale CALL SIZE
   Hands a pointer that was freed before to CALL. */
#include "check.h"

int main(int argc, char **argv)
{
    size_t size = strtoul(argv[2], NULL, 0);
    use_up_first_requests();
    void *p = opaque(malloc(size)), *behind = malloc(size), *stale = opaque(p);
    CHECK(p != NULL && behind != NULL);
    free(p);
    if (strcmp(argv[1], "realloc") == 0)
        return realloc(stale, any(2 * size)) == NULL;
    if (strcmp(argv[1], "shrink") == 0)
        return realloc(stale, any(size / 2 + 1)) == NULL;
    if (strcmp(argv[1], "realloc0") == 0)
        return realloc(stale, any(0)) != NULL;
    if (strcmp(argv[1], "reallocarray") == 0)
        return reallocarray(stale, any(2), size) == NULL;
    if (strcmp(argv[1], "usable_size") == 0)
        return malloc_usable_size(stale) == 0;
    return 2;
}
