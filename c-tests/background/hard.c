/* A hard limit (CAIRN_LIMIT_HARD=1) of so many MiB, the argument: what is asked
   for above is refused with ENOMEM, by every function, what there was stays
   whole, and what is freed can be had again. With 0 nothing is refused. */
#include "background/take.h"

int main(int argc, char **argv)
{
    static const size_t sizes[] = { 64, 1000, 5128, 20488, 100008, 1 << 20, 8 << 20 };
    CHECK(argc == 2);
    size_t limit = (size_t)atoi(argv[1]) << 20;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = sizes[i];
        void **last = NULL;
        size_t taken = take_all(n, &last);
        if (limit == 0)
            CHECK(taken >= MOST, "%zu of %zu bytes", taken, n);
        else {
            CHECK(taken <= limit, "%zu bytes of %zu each", taken, n);
            /* A header each, and what other sizes left in caches. */
            CHECK(taken + limit / 4 + n >= limit, "only %zu bytes of %zu each", taken, n);
            size_t much = limit / 4 + n;
            void *p = NULL, *old = malloc(any(24));
            errno = 0;
            CHECK(calloc(1, any(much)) == NULL && errno == ENOMEM);
            errno = 0;
            CHECK(aligned_alloc(64, any(much & -64)) == NULL && errno == ENOMEM);
            CHECK(posix_memalign(&p, 4096, any(much)) == ENOMEM);
            errno = 0;
            CHECK(realloc(last, any(much)) == NULL && errno == ENOMEM);
            free(old);
        }
        give(last);
    }
    /* A mapping grows as far as there is room. */
    if (limit != 0) {
        char *p = malloc(any(limit / 2));
        CHECK(p != NULL);
        CHECK(realloc(p, any(2 * limit)) == NULL && errno == ENOMEM);
        CHECK((p = realloc(p, any(limit / 2 + 4096))) != NULL);
        free(p);
    }
    return 0;
}
