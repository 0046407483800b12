/* Usage: double_free_extended SIZE
   Frees an object that top takes over, grows the one in front into its place,
   and frees it again: its old header is the inside of the live object now. */
#include "check.h"

int main(int argc, char **argv)
{
    size_t size = strtoul(argv[1], NULL, 0);
    /* No mapping and no trim: the sizes are to stay in the heap. */
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    char *a = malloc(size), *b = malloc(size);
    void *stale = opaque(b);
    CHECK(a != NULL && b == a + malloc_usable_size(a) + 8);
    free(b);
    CHECK(realloc(a, size + 100) == a);
    free(stale);
    return 0;
}
