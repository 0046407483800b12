/* Takes until there is no more. */
#include "background/background.h"

enum { MOST = 200 << 20 };

/* Takes objects of a size until there are no more; how many bytes. */
static inline size_t take_all(size_t n, void ***last)
{
    size_t taken = 0;
    while (taken < MOST) {
        errno = 0;
        void **p = malloc(n);
        if (p == NULL) {
            CHECK(errno == ENOMEM);
            break;
        }
        *p = *last;
        *last = p;
        taken += n;
    }
    return taken;
}

static inline void give(void **last)
{
    while (last != NULL) {
        void **next = *last;
        free(last);
        last = next;
    }
}
