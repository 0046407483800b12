/* Where the break is, and how it moves. */
#include "tour.h"
#include <malloc.h>
#include <string.h>

enum { OBJECTS = 100, SIZE = 32000 };

int main(void)
{
    static char *all[OBJECTS];
    all[0] = malloc(SIZE);
    place("break", sbrk(0));
    stop("one object");
    for (int i = 1; i < OBJECTS; i++)
        all[i] = memset(malloc(SIZE), 1, SIZE);
    place("break", sbrk(0));
    place("last", all[OBJECTS - 1]);
    stop("a hundred objects");
    for (int i = 0; i < OBJECTS; i++)
        free(all[i]);
    malloc_trim(0);
    place("break", sbrk(0));
    stop("all freed and trimmed");
    return 0;
}
