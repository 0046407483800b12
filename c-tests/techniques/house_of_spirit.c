/* Usage: house_of_spirit SIZE stack|data|heap|copied|turned|left|left_turned|
   binned_turned
   Frees a forged chunk, so that the next request of its size is given it.
   "copied" has the header of a live chunk of the same size, "turned" the same
   with the bits of the tag turned that say whether it is freed. "left" frees
   a stale pointer into a live object, where a chunk was that merged with the one
   in front; "left_turned" turns the tag that the heap left there first, "binned_turned"
   that of a free chunk in a bin. */
#include "attack.h"

int main(int argc, char **argv)
{
    size_t n = size_arg(argv), chunk = (n + 8 + 15) & ~15ul;
    struct target t = { { 0 } };
    warm(n);
    unsigned char *mine = take_raw(100000), *other = take_raw(200);
    uint64_t *fake = is(argv, "stack") ? &t.words[2] : is(argv, "data") ? &in_data.words[2] : (uint64_t *)(mine + 4096);
    uint64_t *next = is(argv, "stack") || is(argv, "data") ? NULL : fake + chunk / 8;
    *size_word(fake) = (uint32_t)chunk | 1;
    *tag(fake) = 0x41414141;
    if (next)
        *size_word(next) = 4096 | 1;
    if (is(argv, "copied") || is(argv, "turned")) {
        *size_word(fake) = *size_word(other);
        *tag(fake) = is(argv, "copied") ? *tag(other) : *tag(other) ^ 0xfffffffe;
    }
    if (is(argv, "left") || is(argv, "left_turned")) {
        unsigned char *front = take_raw(n), *inner = take_raw(n);
        take(n);
        merge(front, inner);
        fake = (uint64_t *)inner;
        if (is(argv, "left_turned"))
            *tag(inner) ^= 0xfffffffe;
    }
    if (is(argv, "binned_turned")) {
        take(n);
        fake = (uint64_t *)take_raw(n);
        take(n);
        to_bin(fake);
        *tag(fake) ^= 0xfffffffe;
    }
    free(opaque(fake));
    for (int i = 0; i < 100; i++)
        take(n);
    return settle();
}
