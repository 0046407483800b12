/* Usage: large_bin_attack SIZE forward|backward|sizes
   Overwrites the links of the one chunk in a bin of many sizes, then frees a
   smaller chunk of that bin: entering it would write through them. "sizes": the
   two words that glibc's list by sizes has. */
#include "attack.h"

int main(int argc, char **argv)
{
    size_t n = size_arg(argv);
    unsigned char *large = take_raw(n + 64);
    take(n);
    unsigned char *smaller = take_raw(n);
    take(n);
    watch(0, &in_data);
    to_bin(large);
    links(large)[is(argv, "forward") ? 0 : is(argv, "backward") ? 1 : 2] = address(&in_data.words[2]);
    if (is(argv, "sizes"))
        links(large)[3] = address(&in_data.words[2]);
    to_bin(smaller);
    for (int i = 0; i < 100; i++)
        take(n);
    return settle();
}
