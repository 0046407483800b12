/* A mapped object that waits in the quarantine is freed a second time. */
#include "check.h"

int main(void)
{
    void *p = opaque(malloc(1 << 20)), *stale = opaque(p);
    CHECK(mallinfo2().hblks == 1);
    free(p);
    CHECK(mallinfo2().hblks == 0 && mallinfo2().hblkhd == 0);
    free(stale);
    return 0;
}
