/* reallocarray: a product that overflows is ENOMEM and leaves the old object
   whole; else it is realloc. */
#include "check.h"

int main(void)
{
    char *p = reallocarray(NULL, 10, 10);
    CHECK(p != NULL);
    memset(p, 'a', 100);

    const size_t pairs[][2] = { { SIZE_MAX, 2 }, { (size_t)1 << 33, (size_t)1 << 33 }, { SIZE_MAX / 16 + 2, 16 } };
    for (int i = 0; i < 3; i++) {
        errno = 0;
        CHECK(reallocarray(p, any(pairs[i][0]), any(pairs[i][1])) == NULL);
        CHECK(errno == ENOMEM);
        errno = 0;
        CHECK(reallocarray(NULL, any(pairs[i][0]), any(pairs[i][1])) == NULL);
        CHECK(errno == ENOMEM);
    }
    for (int i = 0; i < 100; i++)
        CHECK(p[i] == 'a');

    p = reallocarray(p, 1000, 100);
    CHECK(p != NULL);
    for (int i = 0; i < 100; i++)
        CHECK(p[i] == 'a');
    CHECK(malloc_usable_size(p) >= 100000);
    CHECK(reallocarray(p, any(0), 100) == NULL);
    return 0;
}
