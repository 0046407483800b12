/* Usage: metadata_poisoning SIZE
   The thread's cache lies, in glibc, at the heap's first bytes, where an
   overflow finds it. Here no word of the heap names a cached object, and no
   page of the heap is next to one that holds such a word. */
#include "attack.h"

int main(int argc, char **argv)
{
    size_t n = size_arg(argv);
    warm(n);
    unsigned char *p[8];
    for (int i = 0; i < 8; i++)
        p[i] = take_raw(n);
    for (int i = 0; i < 8; i++)
        memset(p[i], 0, n);
    uint64_t *from = (uint64_t *)(address(p[0]) & ~0xfffful), *to = sbrk(0);
    for (int i = 0; i < 8; i++)
        drop(p[i]);
    CHECK((void *)p[0] < (void *)to);
    for (uint64_t *w = from; w < to; w++)
        for (int i = 0; i < 8; i++)
            CHECK((*w ^ address(p[i])) > 15, "at %p", (void *)w);
    return settle();
}
