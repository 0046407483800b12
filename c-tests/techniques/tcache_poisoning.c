/* Usage: tcache_poisoning SIZE link|key|all
   Overwrites a cached object's words with a target's address: where the list is
   in the objects the second request is given the target. "key" clears what
   glibc compares on free, and frees again. "all" overwrites every byte. */
#include "attack.h"

int main(int argc, char **argv)
{
    size_t n = size_arg(argv);
    warm(n);
    unsigned char *a = take_raw(n), *b = take_raw(n), *again = b;
    take(n);
    watch(0, &in_data);
    drop(a);
    drop(b);
    if (is(argv, "link"))
        links(b)[0] = address(&in_data.words[2]);
    else if (is(argv, "key")) {
        links(b)[1] = 0;
        free(opaque(again));
    } else
        for (size_t i = 0; i < n / 8; i++)
            links(b)[i] = address(&in_data.words[2]);
    for (int i = 0; i < 100; i++)
        take(n);
    return settle();
}
