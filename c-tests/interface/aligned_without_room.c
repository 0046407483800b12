/* Small requests at an alignment when no region is free for a run, but chunks
   are: each comes back with its size and alignment, and is taken for what it is. */
#include "check.h"
#include <sys/resource.h>

extern void free_aligned_sized(void *, size_t, size_t) __attribute__((weak));

enum { MOST = 40000, SOME = 3000 };
static void *filling[MOST], *small[SOME];

int main(void)
{
    static const size_t aligns[] = { 32, 64, 128 };
    CHECK(free_aligned_sized != NULL);
    /* The first requests of a size are chunks in any case. */
    for (int i = 0; i < 100; i++)
        for (size_t n = 1; n <= 128; n += 16)
            CHECK(malloc(n) != NULL);
    struct rlimit limit = { 96 << 20, 96 << 20 };
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    int count = 0;
    while (count < MOST && (filling[count] = malloc(20000)) != NULL)
        count++;
    CHECK(count < MOST);
    for (int i = 0; i < count; i += 2)
        free(filling[i]);
    int served = 0;
    for (int a = 0; a < 3; a++)
        for (size_t n = 1; n <= 128; n += 21) {
            for (int i = 0; i < SOME; i++) {
                small[i] = aligned_alloc(aligns[a], n);
                CHECK((uintptr_t)small[i] % aligns[a] == 0);
                served += small[i] != NULL;
            }
            for (int i = 0; i < SOME; i++)
                if (small[i])
                    free_aligned_sized(small[i], aligns[a], n);
        }
    CHECK(served > SOME);
    return 0;
}
