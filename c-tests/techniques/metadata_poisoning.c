/* Usage: metadata_poisoning SIZE
   The thread's cache lies, in glibc, at the heap's first bytes, where an
   overflow finds it. Here no word that an overflow can reach, up to the end of
   the mapping that holds the heap, names a cached object. */
#include "attack.h"

/* The mapping in which p lies. */
static void bounds(void *p, uint64_t **from, uint64_t **to)
{
    static char text[1 << 16];
    int maps = open("/proc/self/maps", O_RDONLY);
    size_t n = 0;
    for (ssize_t got; n < sizeof text - 1 && (got = read(maps, text + n, sizeof text - 1 - n)) > 0;)
        n += (size_t)got;
    close(maps);
    for (char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        char *rest;
        uintptr_t first = strtoul(line, &rest, 16), end = strtoul(rest + 1, NULL, 16);
        if (first <= address(p) && address(p) < end) {
            *from = opaque((void *)first);
            *to = opaque((void *)end);
            return;
        }
    }
    CHECK(!"mapped");
}

int main(int argc, char **argv)
{
    size_t n = size_arg(argv);
    warm(n);
    unsigned char *p[8];
    for (int i = 0; i < 8; i++)
        p[i] = take_raw(n);
    for (int i = 0; i < 8; i++)
        memset(p[i], 0, n);
    uint64_t *from, *to;
    bounds(p[0], &from, &to);
    for (int i = 0; i < 8; i++)
        drop(p[i]);
    for (uint64_t *w = from; w < to; w++)
        for (int i = 0; i < 8; i++)
            CHECK((*w ^ address(p[i])) > 15, "at %p", (void *)w);
    return settle();
}
