/* Of 10000 small objects that wait, a large one displaces most: not all in one
   call. Then each further free lets some more go, until there is room again. */
#include "check.h"

int main(void)
{
    enum { OBJECTS = 10000, SIZE = 100 };
    static void *objects[OBJECTS];
    for (int i = 0; i < OBJECTS; i++)
        CHECK((objects[i] = opaque(malloc(SIZE))) != NULL);
    for (int i = 0; i < OBJECTS; i++)
        free(objects[i]);
    void *large = opaque(malloc(16700000));
    CHECK(large != NULL);
    size_t before = mallinfo2().ordblks; /* what waits is free, each by itself */
    CHECK(before > OBJECTS);
    free(large);
    size_t now = mallinfo2().ordblks;
    CHECK(now < before && before - now <= 66, "(%zu in one call)", before - now);
    for (int i = 0; i < 200; i++)
        free(opaque(malloc(SIZE)));
    CHECK(mallinfo2().ordblks < before / 10, "(%zu of %zu still wait)", mallinfo2().ordblks, before);
    return 0;
}
