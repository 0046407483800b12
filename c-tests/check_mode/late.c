/* Usage: late LEVEL
   M_CHECK_ACTION while the process runs: it answers 1 and the mode stays what it
   was at the start; what was given out before can be freed, and the reverse. */
#include "check.h"

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    static const size_t sizes[] = { 1, 100, 1000, 50000, 300000 };
    enum { COUNT = sizeof sizes / sizeof *sizes };
    void *before[COUNT], *after[COUNT];
    size_t usable = malloc_usable_size(opaque(malloc(1)));
    for (int i = 0; i < COUNT; i++)
        before[i] = malloc(sizes[i]);
    CHECK(mallopt(M_CHECK_ACTION, atoi(argv[1])) == 1);
    for (int i = 0; i < COUNT; i++) {
        after[i] = malloc(sizes[i]);
        free(before[i]);
    }
    for (int i = 0; i < COUNT; i++)
        free(after[i]);
    CHECK(malloc_usable_size(opaque(malloc(1))) == usable);
    return 0;
}
