/* A pad of 64 MiB stays at the heap's end while the program is at work, whatever the epochs: the break
   hardly moves. */
#include "check.h"

enum { COUNT = 64, BYTES = 100000, ROUNDS = 100 };

static int moves(void)
{
    static char *last;
    char *now = sbrk(0), *before = last;
    last = now;
    return before != NULL && now != before;
}

int main(void)
{
    static unsigned char *all[COUNT];
    CHECK(mallopt(M_TOP_PAD, 64 << 20) == 1 && mallopt(M_MMAP_THRESHOLD, 1 << 30) == 1);
    int moved = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < COUNT; i++) {
            memset(all[i] = opaque(malloc(BYTES)), 1, BYTES);
            if (i % 8 == 0) /* stays */
                *(char *)opaque(malloc(20000)) = 1;
            moved += moves();
        }
        for (int i = 0; i < COUNT; i++) {
            free(all[i]);
            moved += moves();
        }
        usleep(5000);
    }
    CHECK(moved < 10, "(%d times)", moved);
    return 0;
}
