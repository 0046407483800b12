/* One exported symbol never calls another: a malloc of the program's own in
   front changes nothing for calloc, realloc and the aligned calls. */
#include "check.h"

extern void *__libc_malloc(size_t);

static int refuse;

void *malloc(size_t n)
{
    return refuse ? NULL : __libc_malloc(n);
}

int main(void)
{
    refuse = 1;
    CHECK(malloc(any(10)) == NULL);
    for (size_t n = 1; n < 300000; n += n / 2 + 1) {
        char *p = calloc(1, n);
        CHECK(p != NULL, "(calloc %zu)", n);
        p = realloc(p, 2 * n);
        CHECK(p != NULL, "(realloc %zu)", n);
        p = realloc(p, 30 * n);
        CHECK(p != NULL, "(realloc %zu)", n);
        free(p);
        p = realloc(NULL, n);
        CHECK(p != NULL, "(realloc of NULL)");
        free(p);
        p = memalign(256, n);
        CHECK(p != NULL, "(memalign %zu)", n);
        free(p);
        p = aligned_alloc(256, n);
        CHECK(p != NULL);
        free(p);
        p = valloc(n);
        CHECK(p != NULL);
        free(p);
    }
    return 0;
}
