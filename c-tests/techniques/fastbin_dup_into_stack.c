/* Usage: fastbin_dup_into_stack SIZE
   Writes the address of a forged chunk on the stack into the first words of a
   freed object, where a list would have its link, and takes until it comes. */
#include "attack.h"

int main(int argc, char **argv)
{
    struct target t = { { 0 } };
    size_t n = size_arg(argv);
    warm(n);
    unsigned char *a = take_raw(n);
    take(n);
    t.words[1] = (n + 8 + 15) & ~15ul; /* the header below words[2] */
    watch(0, &t);
    drop(a);
    links(a)[0] = links(a)[1] = address(&t.words[2]);
    for (int i = 0; i < 100; i++)
        take(n);
    return settle();
}
