/* Usage: top_pad ATLEAST BELOW [PARAMETER VALUE]
   The first object makes an arena of at least ATLEAST bytes, less than BELOW. */
#include "check.h"

int main(int argc, char **argv)
{
    if (argc > 4)
        CHECK(mallopt(atoi(argv[3]), atoi(argv[4])) == 1);
    void *p = malloc(5000);
    size_t arena = mallinfo2().arena;
    CHECK(arena >= strtoul(argv[1], NULL, 0) && arena < strtoul(argv[2], NULL, 0), "(%zu)", arena);
    free(p);
    return 0;
}
