/* Usage: grow HOW BYTES
   Resizes objects up to BYTES and down again, checks their bytes, their usable
   size and their alignment at each step, and counts how often they move.
   HOW: one (by a byte each time), two (in turns), steps (by 4096 bytes), between
   (by a byte, something else given out between any two), aligned (by a byte,
   from a multiple of 4096), random. */
#include "check.h"

static size_t moves;

static unsigned char at(size_t i)
{
    return (unsigned char)(i * 31 + (i >> 8) * 7 + 1);
}

static unsigned char *resize(unsigned char *p, size_t from, size_t to)
{
    uintptr_t was = (uintptr_t)p;
    unsigned char *q = opaque(realloc(p, to));
    CHECK(q != NULL && (uintptr_t)q % 16 == 0);
    moves += was != 0 && was != (uintptr_t)q;
    size_t both = from < to ? from : to;
    /* What is near either end each time, all of it at times. */
    size_t most = to % 9973 == 0 ? both : both < 32 ? both : 32;
    for (size_t i = 0; i < most; i++)
        CHECK(q[i] == at(i) && q[both - 1 - i] == at(both - 1 - i), "(%zu to %zu)", from, to);
    for (size_t i = from; i < to; i++)
        q[i] = at(i);
    if (to % 61 == 0)
        CHECK(malloc_usable_size(q) == to);
    return q;
}

static unsigned long draw(void)
{
    static unsigned long x = 88172645463325252;
    x ^= x << 13;
    x ^= x >> 7;
    return x ^= x << 17;
}

static void mixed(size_t most)
{
    enum { OBJECTS = 20 };
    unsigned char *p[OBJECTS] = { 0 };
    size_t n[OBJECTS] = { 0 };
    for (int turn = 0; turn < 20000; turn++) {
        size_t i = draw() % OBJECTS, r = draw(), to = n[i];
        if (r % 50 == 0) {
            free(p[i]);
            p[i] = NULL, n[i] = 0;
            if (r % 100 == 0) {
                size_t align = (size_t)1 << (5 + r / 100 % 13);
                n[i] = 1 + draw() % most;
                CHECK((p[i] = opaque(aligned_alloc(align, n[i]))) != NULL);
                CHECK((uintptr_t)p[i] % align == 0);
                for (size_t b = 0; b < n[i]; b++)
                    p[i][b] = at(b);
            }
            continue;
        }
        if (r % 7 == 0)
            to = 1 + draw() % most;
        else if (r % 2)
            to += draw() % 5000;
        else
            to -= to < 5000 ? 0 : draw() % 5000;
        to = to == 0 ? 1 : to > most ? most : to;
        p[i] = resize(p[i], n[i], to);
        n[i] = to;
    }
    for (int i = 0; i < OBJECTS; i++)
        free(p[i]);
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    const char *how = argv[1];
    size_t most = strtoul(argv[2], NULL, 0), step = strcmp(how, "steps") == 0 ? 4096 : 1;
    if (strcmp(how, "random") == 0) {
        mixed(most);
        return 0;
    }
    int two = strcmp(how, "two") == 0, between = strcmp(how, "between") == 0;
    unsigned char *p = NULL, *q = NULL;
    size_t n = 0;
    if (strcmp(how, "aligned") == 0) {
        CHECK((p = opaque(aligned_alloc(4096, 1))) != NULL);
        p[0] = at(0);
        n = 1;
    }
    for (; n + step <= most; n += step) {
        p = resize(p, n, n + step);
        if (two)
            q = resize(q, n, n + step);
        if (between)
            CHECK(malloc(1 + n % 100) != NULL);
    }
    /* An eighth more each time in a heap, twice as much in a mapping. */
    CHECK(moves < (two ? 300 : 150), "(%zu moves up)", moves);
    moves = 0;
    for (; n > step; n -= step) {
        p = resize(p, n, n - step);
        if (two)
            q = resize(q, n, n - step);
    }
    CHECK(moves <= (two ? 2 : 1), "(%zu moves down)", moves);
    free(p);
    free(q);
    return 0;
}
