/* mallinfo is mallinfo2 in ints that wrap. */
#include "check.h"
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

int main(void)
{
    CHECK(mallopt(M_MMAP_THRESHOLD, 128 * 1024) == 1);
    void *p[6];
    for (int i = 0; i <= 6; i++) {
        struct mallinfo2 wide = mallinfo2();
        struct mallinfo narrow = mallinfo();
        CHECK(narrow.arena == (int)wide.arena && narrow.ordblks == (int)wide.ordblks);
        CHECK(narrow.smblks == (int)wide.smblks && narrow.fsmblks == (int)wide.fsmblks);
        CHECK(narrow.hblks == (int)wide.hblks && narrow.hblkhd == (int)wide.hblkhd);
        CHECK(narrow.usmblks == (int)wide.usmblks && narrow.keepcost == (int)wide.keepcost);
        CHECK(narrow.uordblks == (int)wide.uordblks && narrow.fordblks == (int)wide.fordblks);
        CHECK(i < 6 || (wide.hblkhd > INT32_MAX && narrow.hblkhd < 0), "(%zu, %d)", wide.hblkhd, narrow.hblkhd);
        if (i < 6)
            CHECK((p[i] = malloc(512u << 20)) != NULL);
    }
    for (int i = 0; i < 6; i++)
        free(p[i]);
    return 0;
}
