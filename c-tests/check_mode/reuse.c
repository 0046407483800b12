/* Usage: reuse SIZE TIMES
   A freed object's memory is not given out again before TIMES other objects of
   its size were freed after it, and is some time later: it is not lost. */
#include "check.h"

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    size_t size = strtoul(argv[1], NULL, 0), times = strtoul(argv[2], NULL, 0);
    uintptr_t first = (uintptr_t)opaque(malloc(size));
    free((void *)first);
    for (size_t i = 0; i < times; i++) {
        void *p = opaque(malloc(size));
        CHECK((uintptr_t)p != first, "(after %zu)", i);
        free(p);
    }
    for (size_t i = 0; i < 100 * (times + 1); i++) {
        void *p = opaque(malloc(size));
        if ((uintptr_t)p == first)
            return 0;
        free(p);
    }
    CHECK(!"the memory came back");
}
