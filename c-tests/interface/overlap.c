/* No two live objects overlap, whichever call and size they come from. */
#include "check.h"

enum { COUNT = 2000 };

static struct { unsigned char *p; size_t n; unsigned char mark; } live[COUNT];

static unsigned next(void)
{
    static uint64_t state = 42;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33);
}

static void whole(int i)
{
    for (size_t j = 0; j < live[i].n; j++)
        CHECK(live[i].p[j] == live[i].mark, "(byte %zu of %zu)", j, live[i].n);
}

int main(void)
{
    for (int step = 0; step < 40000; step++) {
        int i = (int)(next() % COUNT);
        size_t n = next() % (1u << (next() % 14 + 1));
        if (next() % 2000 == 0)
            n += 200000;
        if (live[i].p != NULL)
            whole(i);
        if (live[i].p != NULL && next() % 4 == 0) {
            live[i].p = realloc(live[i].p, n + 1);
            n++;
        } else {
            free(live[i].p);
            switch (next() % 4) {
            case 0: live[i].p = calloc(1, n); break;
            case 1: live[i].p = memalign((size_t)1 << next() % 13, n); break;
            default: live[i].p = malloc(n);
            }
        }
        CHECK(live[i].p != NULL);
        live[i].n = n;
        live[i].mark = (unsigned char)next();
        memset(live[i].p, live[i].mark, n);
    }
    for (int i = 0; i < COUNT; i++) {
        whole(i);
        free(live[i].p);
    }
    return 0;
}
