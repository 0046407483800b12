/* Usage: house_of_force SIZE
   Overwrites top's header with the largest size, then asks for a request that
   would end just before the target, and for one more that would lie on it. */
#include "attack.h"

int main(int argc, char **argv)
{
    size_t n = size_arg(argv);
    watch(0, &in_data);
    unsigned char *last = take_raw(n), *top = behind(last);
    *(uint64_t *)size_word(top) = ~0ul;
    void *far = malloc(any(address(&in_data) - address(top) - 64));
    CHECK(far == NULL && errno == ENOMEM);
    for (int i = 0; i < 100; i++)
        take(n);
    return settle();
}
