/* Usage: overlapping_chunks SIZE freed|binned|used
   Enlarges a chunk's size word over the chunk behind, which is in use: before
   the next request, or (the second form) before the free. */
#include "attack.h"

int main(int argc, char **argv)
{
    size_t n = size_arg(argv);
    warm(n);
    unsigned char *a = take_raw(n), *b = take_raw(n);
    take_raw(n);
    size_t larger = 2 * (malloc_usable_size(b) + 8);
    (void)a;
    if (is(argv, "freed"))
        drop(b);
    if (is(argv, "binned"))
        to_bin(b);
    *size_word(b) += (uint32_t)larger / 2;
    if (is(argv, "used"))
        drop(b);
    for (int i = 0; i < 100; i++)
        take(i % 2 ? n : larger - 8);
    return settle();
}
