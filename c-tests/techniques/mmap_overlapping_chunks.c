/* Usage: mmap_overlapping_chunks SIZE grown|foot|tag|moved
   Three mapped chunks, the middle one's header enlarged over its neighbour:
   its free would unmap both, and a later mapping lie where one is in use. */
#include "attack.h"

int main(int argc, char **argv)
{
    size_t n = size_arg(argv);
    unsigned char *a = take(n), *b = take_raw(n);
    take(n);
    if (is(argv, "grown"))
        *size_word(b) += (uint32_t)n + 4096;
    else if (is(argv, "foot")) /* glibc reads here how far its base is */
        *prev_size(b) = n + 4096;
    else if (is(argv, "tag"))
        *tag(b) ^= 0xfffffffe;
    else { /* the neighbour's own header, where the attacker wants one */
        memcpy(b + 4096, b - 16, 16);
        b += 4096;
    }
    drop(b);
    for (int i = 0; i < 4; i++)
        take(2 * n);
    drop(a);
    return settle();
}
