/* Usage: dynamic_threshold 0|1 [PARAMETER VALUE]
   1: freeing a mapped chunk raises the threshold, so that the next object of
   that size comes from the heap; 0: setting any of the four by hand has
   switched that off. */
#include "check.h"

int main(int argc, char **argv)
{
    int dynamic = atoi(argv[1]);
    if (argc > 3)
        CHECK(mallopt(atoi(argv[2]), atoi(argv[3])) == 1);
    void *p = malloc(1 << 20);
    CHECK(mallinfo2().hblks == 1);
    free(p);
    CHECK(mallinfo2().hblks == 0);
    p = malloc(1 << 20);
    CHECK(mallinfo2().hblks == (dynamic ? 0 : 1), "(%zu)", mallinfo2().hblks);
    /* Above 32 MiB nothing raises it. */
    free(malloc(48u << 20));
    void *q = malloc(40u << 20);
    CHECK(mallinfo2().hblks == (dynamic ? 1 : 2), "(%zu)", mallinfo2().hblks);
    free(p);
    free(q);
    return 0;
}
