/* Usage: fastbin_dup SIZE
   Frees a, b, a: where only the newest is compared, a is on the list twice,
   and is given out twice. */
#include "attack.h"

int main(int argc, char **argv)
{
    size_t n = size_arg(argv);
    warm(n);
    void *a = opaque(malloc(n)), *b = opaque(malloc(n)), *again = opaque(a);
    take(n);
    free(a);
    free(b);
    free(again);
    take(n), take(n), take(n);
    return settle();
}
