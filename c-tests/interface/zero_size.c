/* malloc(0) gives a unique pointer that can be freed. */
#include "check.h"

int main(void)
{
    enum { COUNT = 1000 };
    char *p[COUNT];
    for (int i = 0; i < COUNT; i++) {
        p[i] = malloc(0);
        CHECK(p[i] != NULL);
        for (int j = 0; j < i; j++)
            CHECK(p[i] != p[j], "(%d and %d)", i, j);
    }
    for (int i = 0; i < COUNT; i++)
        free(p[i]);

    char *zeroed = calloc(0, 8), *none = calloc(8, 0);
    CHECK(zeroed != NULL && none != NULL && zeroed != none);
    free(zeroed);
    free(none);
    return 0;
}
