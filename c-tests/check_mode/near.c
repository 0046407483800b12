/* Usage: near WHAT SIZE AGE MORE
   Gives out an object of SIZE bytes and AGE others, damages it, gives out MORE
   others and ends at once: whoever is to notice it has done so by then.
   WHAT: overflow (its first byte behind), after_free (its first byte, once it is
   freed as the last of 5000 and AGE others were), after_free_later (the same, and the MORE are only
   given out, not freed), none. */
#include "check.h"

int main(int argc, char **argv)
{
    CHECK(argc == 5);
    const char *what = argv[1];
    size_t size = strtoul(argv[2], NULL, 0), age = strtoul(argv[3], NULL, 0), more = strtoul(argv[4], NULL, 0);
    int freed = strncmp(what, "after_free", 10) == 0, later = strcmp(what, "after_free_later") == 0;
    volatile unsigned char *p = opaque(malloc(size)), *stale = opaque((void *)p);
    CHECK(p != NULL);
    memset((void *)p, 0x41, size);
    if (freed) {
        static void *waiting[5000];
        for (int i = 0; i < 5000; i++)
            waiting[i] = opaque(malloc(24));
        for (int i = 0; i < 5000; i++)
            free(waiting[i]);
        free((void *)p);
    }
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
