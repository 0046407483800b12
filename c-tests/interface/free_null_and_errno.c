/* free(NULL) is fine, and free keeps errno whatever it has to do. */
#include "check.h"

static void kept(size_t n, int count)
{
    void **p = calloc(count, sizeof *p);
    CHECK(p != NULL);
    for (int i = 0; i < count; i++)
        CHECK((p[i] = malloc(n)) != NULL);
    for (int i = 0; i < count; i++) {
        errno = 4711;
        free(p[i]);
        CHECK(errno == 4711, "(%zu bytes)", n);
    }
    errno = 4711;
    free(p);
    CHECK(errno == 4711);
}

int main(void)
{
    errno = 4711;
    free(NULL);
    CHECK(errno == 4711);
    kept(0, 10000);
    kept(100, 10000);
    kept(1000, 10000);
    kept(100000, 200);
    kept(1 << 20, 20);
    kept(64u << 20, 3);
    return 0;
}
