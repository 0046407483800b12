/* Usage: near WHAT SIZE AGE MORE
   Gives out an object of SIZE bytes and AGE others, damages it, gives out MORE
   others and ends at once: whoever is to notice it has done so by then.
   WHAT: overflow (its first byte behind), after_free (its first byte, once it is
   freed and AGE others were), after_free_later (the same, and the MORE are only
   given out, not freed), none. */
#include "check.h"

int main(int argc, char **argv)
{
    CHECK(argc == 5);
    const char *what = argv[1];
    size_t size = strtoul(argv[2], NULL, 0), age = strtoul(argv[3], NULL, 0), more = strtoul(argv[4], NULL, 0);
    int freed = strncmp(what, "after_free", 10) == 0, later = strcmp(what, "after_free_later") == 0;
    unsigned char *p = opaque(malloc(size)), *stale = opaque(p);
    CHECK(p != NULL);
    memset(p, 0x41, size);
    if (freed)
        free(p);
    for (size_t i = 0; i < age; i++) {
        void *other = opaque(malloc(24));
        if (freed)
            free(other);
    }
    if (strcmp(what, "overflow") == 0)
        p[size] = (unsigned char)~p[size];
    else if (freed)
        *stale = 1;
    for (size_t i = 0; i < more; i++) {
        void *other = opaque(malloc(24));
        if (freed && !later)
            free(other);
    }
    _exit(0);
}
