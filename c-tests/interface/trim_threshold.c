/* Usage: trim_threshold shrinks|later|stays [PARAMETER VALUE]
   Freeing all of 20 MB at the top of the heap gives it back, at once or when some
   work follows, or not. */
#include "check.h"

enum { COUNT = 200, SIZE = 100000 };

int main(int argc, char **argv)
{
    static char *p[COUNT];
    if (argc > 3)
        CHECK(mallopt(atoi(argv[2]), atoi(argv[3])) == 1);
    for (int i = 0; i < COUNT; i++)
        memset(p[i] = malloc(SIZE), 1, SIZE);
    size_t full = mallinfo2().arena;
    char *break_full = sbrk(0);
    for (int i = 0; i < COUNT; i++)
        free(p[i]);
    if (strcmp(argv[1], "later") == 0)
        for (long work = 0; work < 20000000 && mallinfo2().arena > full / 2; work++)
            free(malloc(SIZE));
    size_t rest = mallinfo2().arena;
    char *break_rest = sbrk(0);
    CHECK(full >= (size_t)COUNT * SIZE);
    if (strcmp(argv[1], "stays") != 0)
        CHECK(rest < full / 2 && break_rest < break_full, "(%zu, then %zu)", full, rest);
    else
        CHECK(rest == full && break_rest == break_full, "(%zu, then %zu)", full, rest);
    return 0;
}
