/* realloc(NULL, n) is malloc(n); realloc(p, 0) frees p and returns NULL. */
#include "check.h"

int main(void)
{
    for (size_t n = 0; n < 3000; n += 13) {
        char *p = realloc(NULL, n);
        CHECK(p != NULL && malloc_usable_size(p) >= n);
        memset(p, 1, n);
        free(p);
    }
    /* Four GiB in all: only if each one is really freed does this pass. */
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    for (int i = 0; i < 4096; i++) {
        char *p = malloc(1 << 20);
        CHECK(p != NULL);
        errno = 4711;
        CHECK(realloc(p, any(0)) == NULL);
        CHECK(errno == 4711);
    }
    size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
    CHECK(after <= before + (4u << 20), "(%zu, then %zu bytes in use)", before, after);
    return 0;
}
