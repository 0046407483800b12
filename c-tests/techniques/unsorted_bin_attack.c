/* Usage: unsorted_bin_attack SIZE write|stack
   A free chunk's backward link leads to a target in the program's data: taking
   the chunk would write the bin's address there. "stack": to a forged chunk on
   the stack with a size that fits, to be given out itself. */
#include "attack.h"

int main(int argc, char **argv)
{
    struct target t = { { 0 } };
    size_t n = size_arg(argv);
    warm(n);
    unsigned char *victim = take_raw(n);
    take(n);
    uint64_t *fake = &t.words[2];
    *size_word(fake) = (uint32_t)malloc_usable_size(victim) + 8 + 4;
    fake[1] = address(fake);
    watch(0, &t);
    watch(1, &in_data);
    to_bin(victim);
    links(victim)[1] = is(argv, "stack") ? address(fake) : address(&in_data.words[2]);
    for (int i = 0; i < 100; i++)
        take(n);
    return settle();
}
