/* Usage: header CALL SIZE over|under BYTES
   Overwrites the header of an object of SIZE bytes: its neighbour runs over its
   own end by BYTES, or the object itself runs under its beginning by BYTES; then
   hands the object to CALL. Every byte written differs from what was there. */
#include "check.h"

static void turn(unsigned char *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        p[i] = (unsigned char)~p[i];
}

int main(int argc, char **argv)
{
    enum { COUNT = 64 };
    size_t size = strtoul(argv[2], NULL, 0), bytes = strtoul(argv[4], NULL, 0);
    unsigned char *p[COUNT], *victim = NULL, *neighbour = NULL;
    for (int i = 0; i < COUNT; i++) {
        p[i] = malloc(size);
        CHECK(p[i] != NULL);
        memset(p[i], 0, size);
    }
    size_t usable = malloc_usable_size(p[0]);
    for (int i = 0; i < COUNT && victim == NULL; i++)
        for (int j = 0; j < COUNT; j++)
            if (p[j] == p[i] + usable + 8) {
                neighbour = p[i];
                victim = p[j];
            }
    if (strcmp(argv[3], "over") == 0) {
        CHECK(victim != NULL, "(no two of %d objects are neighbours)", COUNT);
        turn(neighbour + usable, bytes);
    } else {
        victim = p[COUNT / 2];
        turn(victim - bytes, bytes);
    }

    victim = opaque(victim);
    if (strcmp(argv[1], "free") == 0)
        free(victim);
    else if (strcmp(argv[1], "realloc") == 0)
        opaque(realloc(victim, any(2 * size)));
    else if (strcmp(argv[1], "usable_size") == 0)
        return malloc_usable_size(victim) == 0;
    return 0;
}
