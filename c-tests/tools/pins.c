/* Objects that keep nearly free pages, of two sites: most of what is asked for is freed again, and of
 * what stays each object has a page for itself. Then it waits for a word. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../check.h"

enum { COUNT = 20000, SIZE = 1000, EVERY = 12 };

#define SITE(name)                                                                                   \
    __attribute__((noinline)) static char *name(void)                                                \
    {                                                                                                \
        char *volatile p = malloc(SIZE);                                                             \
        CHECK(p != NULL);                                                                            \
        p[0] = 1;                                                                                    \
        return p;                                                                                    \
    }

SITE(site_stays)
SITE(site_goes)

static char *gone[COUNT];

int main(void)
{
    for (int i = 0; i < COUNT; i++)
        if (i % EVERY == 0)
            site_stays();
        else
            gone[i] = site_goes();
    for (int i = 0; i < COUNT; i++)
        free(gone[i]);
    puts("ready");
    fflush(stdout);
    char word;
    return read(0, &word, 1) < 0;
}
