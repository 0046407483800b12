/* A chunk's header, its foot and its neighbours: in use, in a fastbin, in a
   bin, merged. The tour sets CAIRN_RUN_MAX=0, so that all objects are chunks
   with headers, and glibc.malloc.tcache_count=1, so that a thread keeps one
   freed chunk of a size, and hands the older on. */
#include "tour.h"
#include <malloc.h>

enum { SIZE = 1000 };

int main(void)
{
    char *a = malloc(SIZE), *b = malloc(SIZE), *c = malloc(SIZE);
    char *d = malloc(SIZE), *other = malloc(SIZE), *last = malloc(SIZE);
    if (a == NULL || b == NULL || c == NULL || d == NULL)
        return 1;
    if (other == NULL || last == NULL)
        return 1;
    place("a", a);
    place("b", b);
    place("c", c);
    place("d", d);
    place("other", other);
    fact("usable", malloc_usable_size(b));
    stop("chunks in use");
    free(b);
    free(other);
    stop("b is freed, and then another: b waits in a fastbin");
    malloc_trim(0);
    stop("trimmed: b is in a bin");
    free(c);
    malloc_trim(0);
    stop("c is freed too: merged with b");
    return 0;
}
