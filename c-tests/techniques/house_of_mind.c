/* Usage: house_of_mind SIZE arena|mapped|kinds
   Sets a flag in a live object's size word, so that its free would look for an
   arena where the attacker put one, or unmap it. Cairn's flags: one for the
   chunk in front, three for the kind. */
#include "attack.h"

int main(int argc, char **argv)
{
    size_t n = size_arg(argv);
    warm(n);
    take_raw(n); /* in front: in a run the header's place is this one's */
    unsigned char *p = take_raw(n);
    take_raw(n);
    uint32_t word = *size_word(p);
    *size_word(p) = word ^ (is(argv, "arena") ? 4 : is(argv, "mapped") ? 2 : 14);
    drop(p);
    for (int i = 0; i < 100; i++)
        take(n);
    return settle();
}
