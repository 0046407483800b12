/* Usage: leak SIZE again|split|merged|extended|top
   Takes memory again that lay linked in a bin, and reads it for addresses: of
   anything that is mapped. What the heap wrote there while it was free is gone
   from it. "split": as smaller objects; "merged": as part of a larger one;
   "extended": by growing the object in front; "top": through top. */
#include "attack.h"

static struct {
    uint64_t from, to;
} maps[256];
static int mapped;

static void read_maps(void)
{
    static char text[1 << 16];
    int file = open("/proc/self/maps", O_RDONLY);
    size_t len = 0;
    for (ssize_t got; (got = read(file, text + len, sizeof text - 1 - len)) > 0;)
        len += (size_t)got;
    close(file);
    for (char *line = text; line && *line && mapped < 256; mapped++) {
        char *rest;
        maps[mapped].from = strtoul(line, &rest, 16);
        maps[mapped].to = strtoul(rest + 1, NULL, 16);
        line = strchr(rest, '\n');
        line = line ? line + 1 : NULL;
    }
    CHECK(mapped > 5);
}

static void search(void *p, size_t n)
{
    uint64_t *word = p;
    for (size_t i = 0; i < n / 8; i++)
        for (int j = 0; j < mapped; j++)
            CHECK(word[i] < maps[j].from || word[i] >= maps[j].to, "%lx at %zu", word[i], 8 * i);
}

int main(int argc, char **argv)
{
    size_t n = size_arg(argv);
    unsigned char *p[8], *first;
    warm(n);
    for (int i = 0; i < 8; i++) {
        p[i] = take_raw(n);
        memset(p[i], 0x5a, n);
        if (!is(argv, "top") && !is(argv, "merged"))
            take(n);
    }
    read_maps();
    size_t usable = malloc_usable_size(p[0]);
    first = p[0];
    for (int i = is(argv, "extended") ? 1 : 0; i < 8; i++)
        drop(p[i]);
    malloc_trim(0);
    if (is(argv, "extended"))
        for (int i = 0; i < lives; i++)
            if (live[i].p > first && live[i].p < first + 2 * usable) {
                drop(live[i].p);
                malloc_trim(0);
                break;
            }
    /* In a run there is nothing that says where the next one is. */
    if (is(argv, "extended")) {
        for (int i = 0; i < lives; i++)
            if (live[i].p == first)
                live[i] = live[--lives];
        unsigned char *grown = enter(realloc(first, any(n + n / 2)), n + n / 2, 0);
        CHECK(usable < 130 || grown == first);
        search(grown, n + n / 2);
    }
    size_t want = is(argv, "split") ? n / 3 : is(argv, "merged") || is(argv, "top") ? 3 * n : n;
    int met = 0;
    for (int i = 0; i < 64; i++) {
        unsigned char *q = take_raw(want);
        search(q, want);
        for (int j = 0; j < 8; j++)
            met += p[j] >= q && p[j] < q + want;
    }
    CHECK(met > 0 || is(argv, "extended") || usable < 130);
    return settle();
}
