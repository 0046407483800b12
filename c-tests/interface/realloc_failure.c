/* realloc that fails leaves the object whole, small, large or mapped. */
#include "check.h"
#include <sys/resource.h>

int main(void)
{
    const size_t sizes[] = { 24, 200, 5000, 100000, 1 << 20 };
    unsigned char *p[5];
    for (int i = 0; i < 5; i++) {
        p[i] = malloc(sizes[i]);
        memset(p[i], i + 1, sizes[i]);
    }
    struct rlimit limit = { 64u << 20, 64u << 20 };
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    for (int i = 0; i < 5; i++) {
        errno = 0;
        CHECK(realloc(p[i], any(100u << 20)) == NULL, "(%zu bytes)", sizes[i]);
        CHECK(errno == ENOMEM);
        for (size_t j = 0; j < sizes[i]; j++)
            CHECK(p[i][j] == i + 1, "(byte %zu of %zu)", j, sizes[i]);
    }
    for (int i = 0; i < 5; i++)
        free(p[i]);
    return 0;
}
