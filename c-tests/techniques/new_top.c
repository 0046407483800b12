/* Usage: new_top SIZE size|tag|copied|zero|flag|fence
   A heap that cannot grow is left for another one, and what was its top becomes
   a free chunk with a header of its own. Overwrites top's header just before
   that; "flag" only says that the chunk in front is free, and leads to a forged
   one. "fence": overwrites the end of the heap that was left, and frees what
   lies in front of it. */
#include "attack.h"

enum { LARGE = 120000, RESERVED = 64 << 20, PAGE = 4096 };

/* Where the heap of `p` ends, and what it cannot grow beyond: the break when it
   is somebody else's, or a reservation's end. */
static void bounds(void *p, unsigned char **end, unsigned char **limit)
{
    if (*limit == NULL && (unsigned char *)p < (unsigned char *)sbrk(0))
        *limit = *end = sbrk(PAGE);
    if ((unsigned char *)p < (unsigned char *)sbrk(0))
        return;
    static char text[1 << 16];
    if (!*limit) /* the first object lies in the first region */
        *limit = (unsigned char *)(address(p) & ~0xfffful) + RESERVED;
    int file = open("/proc/self/maps", O_RDONLY);
    size_t len = 0;
    for (ssize_t got; (got = read(file, text + len, sizeof text - 1 - len)) > 0;)
        len += (size_t)got;
    close(file);
    for (char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        char *rest;
        uint64_t from = strtoul(line, &rest, 16), to = strtoul(rest + 1, NULL, 16);
        /* The mapping behind may look like a part of it. */
        if (address(p) >= from && address(p) < to)
            *end = to < address(*limit) ? (unsigned char *)to : *limit;
    }
}

/* The last object of a heap whose top is too small for a large one, and which
   will not grow for it. */
static unsigned char *exhaust(size_t n, unsigned char **end)
{
    unsigned char *last = take_raw(n), *limit = NULL;
    bounds(last, end, &limit);
    for (;;) {
        unsigned char *top = behind(last);
        if (limit - top < LARGE) {
            bounds(last, end, &limit);
            return last;
        }
        last = take_raw(n);
        CHECK(last == top);
    }
}

int main(int argc, char **argv)
{
    unsigned char *end, *last = exhaust(size_arg(argv), &end), *top = behind(last);
    if (is(argv, "fence")) {
        unsigned char *other = take_raw(LARGE), *rest;
        drop(last); /* so that the rest is large enough to be in no cache */
        rest = take_raw((size_t)(end - last) - 8);
        CHECK((other < last || other > end) && rest == last && behind(rest) == end);
        memset(end - 8, 0x41, 8);
        drop(rest);
    }
    if (is(argv, "size"))
        *size_word(top) += 0x1000;
    if (is(argv, "tag"))
        *tag(top) ^= 0x100;
    if (is(argv, "copied"))
        *(uint64_t *)size_word(top) = *(uint64_t *)size_word(last);
    if (is(argv, "zero"))
        *(uint64_t *)size_word(top) = 0;
    if (is(argv, "flag")) {
        unsigned char *fake = last + 64;
        *size_word(top) &= ~1u;
        *size_word(fake) = (uint32_t)(top - fake) | 4 | 1;
        links(fake)[0] = links(fake)[1] = address(fake);
        *prev_size(top) = (uint64_t)(top - fake);
    }
    for (int i = 0; i < 10; i++)
        take(LARGE);
    return settle();
}
