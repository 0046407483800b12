/* A library whose constructor runs before all others, with nothing allocated
   yet, and registers handlers of fork that allocate. Theirs stand in front of
   the allocator's: they run while fork holds its locks. */
#include "check.h"
#include <pthread.h>

static char *kept;

static void allocate(void)
{
    free(kept);
    kept = malloc(100);
    CHECK(kept != NULL);
    memset(kept, 1, 100);
    for (size_t n = 1; n < 1 << 20; n = n * 2 + 3) {
        char *p = malloc(n);
        CHECK(p != NULL, "%zu", n);
        memset(p, 2, n);
        p = realloc(p, n * 2);
        CHECK(p != NULL && p[n - 1] == 2, "%zu", n);
        free(p);
        free(memalign(256, n));
    }
    malloc_trim(0);
    (void)mallinfo2();
    CHECK(kept[0] == 1 && kept[99] == 1);
}

__attribute__((constructor)) static void begin(void)
{
    if (pthread_atfork(allocate, allocate, allocate) != 0)
        _exit(3);
}
