/* Free neighbours that together are longer than a chunk can be stay apart, also when one of them is cut
 * later: a walk of the heap finds no broken invariant. No page of it is touched. */
#include "../check.h"
#include <dlfcn.h>

enum { PARTS = 7, CANNOT = 77 };

static void count(void *all, void *object, size_t bytes, int state)
{
    (void)object, (void)bytes, (void)state;
    ++*(size_t *)all;
}

int main(void)
{
    typedef void see(void *, void *, size_t, int);
    int (*walk)(see *, void *) = (int (*)(see *, void *))dlsym(RTLD_DEFAULT, "cairn_walk_objects");
    CHECK(walk != NULL, "");
    void *all[PARTS];
    size_t seen = 0;
    mallopt(M_TRIM_THRESHOLD, -1);
    mallopt(M_MMAP_THRESHOLD, 2000u << 20);
    for (int i = 0; i < PARTS; i++)
        all[i] = malloc(800u << 20);
    void *behind = malloc(100000);
    if (all[PARTS - 1] == NULL || behind == NULL)
        return CANNOT;
    for (int i = 0; i < PARTS; i++)
        free(all[i]);
    CHECK(walk(count, &seen) == 0, "before");
    void *cut = opaque(malloc((size_t)1700 << 20));
    int broken = walk(count, &seen);
    CHECK(cut != NULL && broken == 0, "invariant %d", broken);
    CHECK(seen != 0, "");
    return 0;
}
