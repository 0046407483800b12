/* realloc stays in place where the neighbour allows: into top, into a free
   chunk behind it, and when it shrinks. */
#include "check.h"

enum { SIZE = 60000 };

static int follows(char *a, char *b)
{
    return b > a && b - a <= SIZE + 64;
}

int main(void)
{
    /* Into top. */
    char *p = malloc(SIZE);
    memset(p, 'p', SIZE);
    char *q = realloc(p, SIZE + 10000);
    CHECK(q == p, "(top is behind it)");

    /* Into a free neighbour. */
    char *a = malloc(SIZE), *b = malloc(SIZE), *c = malloc(SIZE);
    memset(a, 'a', SIZE);
    CHECK(follows(a, b) && follows(b, c), "(%p %p %p)", a, b, c);
    free(b);
    malloc_trim(0); /* whatever was kept back for reuse joins the free chunks */
    char *grown = realloc(a, SIZE + SIZE / 2);
    CHECK(grown == a, "(a free chunk is behind it)");
    for (int i = 0; i < SIZE; i++)
        CHECK(a[i] == 'a');

    /* And back: what it gives up is a free chunk again, and is used. */
    char *shrunk = realloc(a, SIZE / 4);
    CHECK(shrunk == a);
    CHECK(malloc_usable_size(a) < SIZE / 2);
    for (int i = 0; i < SIZE / 4; i++)
        CHECK(a[i] == 'a');
    malloc_trim(0);
    grown = realloc(a, SIZE + SIZE / 2);
    CHECK(grown == a, "(grown again after it shrank)");

    free(a);
    free(c);
    free(q);
    return 0;
}
