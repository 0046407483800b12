/* Usage: freed_header SIZE
   A string fills an object of SIZE bytes, and its NUL, one byte further, changes
   the header of the freed object behind it; then that one is freed again. */
#include "check.h"

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    size_t size = strtoul(argv[1], NULL, 0), usable = 0;
    char *first = NULL, *second = opaque(malloc(size));
    for (int i = 0; i < 100 && second != first + usable + 8; i++) {
        first = second;
        second = opaque(malloc(size));
        CHECK(first != NULL && second != NULL);
        usable = malloc_usable_size(first);
    }
    CHECK(second == first + usable + 8, "(%td apart)", second - first);
    char *stale = opaque(second);
    free(second);
    memset(first, 'B', usable);
    first[any(usable)] = 0;
    free(stale);
    return 0;
}
