/* All memory is locked, so the kernel takes no page back: the program goes on
   at its usual speed all the same. Asked at every free, the kernel would say no
   for an hour. */
#include "check.h"
#include <sys/mman.h>

enum { OBJECTS = 100000 };

int main(void)
{
    static char *held[OBJECTS];
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
        return 77;
    for (int i = 0; i < OBJECTS; i++)
        if ((held[i] = malloc(1400)) == NULL)
            return 77;
    for (int i = 0; i < OBJECTS; i++)
        if (i % 10 != 0) {
            free(held[i]);
            held[i] = NULL;
        }
    for (int round = 0; round < 20000; round++) {
        char *few[40];
        for (int i = 0; i < 40; i++)
            CHECK((few[i] = malloc(9000 + (size_t)i * 100)) != NULL);
        for (int i = 0; i < 40; i++)
            free(few[i]);
    }
    malloc_trim(0);
    /* Mapped chunks: what is not taken back is cleared before it is zero again. */
    for (int round = 0; round < 50; round++) {
        size_t n = (size_t)300000 + (size_t)round * 5000;
        unsigned char *p = calloc(1, n);
        CHECK(p != NULL);
        for (size_t i = 0; i < n; i += 61)
            CHECK(p[i] == 0, "byte %zu of %zu", i, n);
        memset(p, 0xff, n);
        free(p);
    }
    return 0;
}
