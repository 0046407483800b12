/* mallinfo2 counts what glibc's counts. */
#include "check.h"

int main(void)
{
    CHECK(mallopt(M_MMAP_THRESHOLD, 128 * 1024) == 1);
    char *first = malloc(100);
    struct mallinfo2 a = mallinfo2();
    CHECK(a.arena == a.uordblks + a.fordblks, "(%zu, %zu, %zu)", a.arena, a.uordblks, a.fordblks);
    CHECK(a.hblks == 0 && a.hblkhd == 0 && a.usmblks == 0);
    CHECK(a.arena > 0 && a.keepcost <= a.fordblks && a.ordblks >= 1);

    /* In use. */
    enum { COUNT = 2000, SIZE = 1000 };
    char *p[COUNT];
    for (int i = 0; i < COUNT; i++)
        p[i] = malloc(SIZE);
    struct mallinfo2 b = mallinfo2();
    CHECK(b.uordblks >= a.uordblks + (size_t)COUNT * SIZE, "(%zu, %zu)", a.uordblks, b.uordblks);
    CHECK(b.uordblks <= a.uordblks + (size_t)COUNT * SIZE * 5 / 4, "(%zu, %zu)", a.uordblks, b.uordblks);
    CHECK(b.arena == b.uordblks + b.fordblks);
    CHECK(b.arena > a.arena);

    /* Free again, with a live object between any two free chunks. */
    for (int i = 0; i < COUNT; i += 2)
        free(p[i]);
    malloc_trim(0);
    struct mallinfo2 c = mallinfo2();
    CHECK(c.uordblks <= b.uordblks - (size_t)COUNT / 2 * SIZE * 3 / 4, "(%zu, %zu)", b.uordblks, c.uordblks);
    CHECK(c.fordblks >= (size_t)COUNT / 2 * SIZE * 3 / 4, "(%zu)", c.fordblks);
    CHECK(c.ordblks + c.smblks >= COUNT / 2 * 3 / 4, "(%zu)", c.ordblks);
    CHECK(c.arena == c.uordblks + c.fordblks);

    /* Mapped. */
    void *m = malloc(1 << 20), *n = malloc(3 << 20);
    struct mallinfo2 d = mallinfo2();
    CHECK(d.hblks == 2, "(%zu)", d.hblks);
    CHECK(d.hblkhd >= (4u << 20) && d.hblkhd <= (4u << 20) + 4 * (size_t)sysconf(_SC_PAGESIZE), "(%zu)", d.hblkhd);
    CHECK(d.arena == d.uordblks + d.fordblks);
    free(m);
    free(n);
    d = mallinfo2();
    CHECK(d.hblks == 0 && d.hblkhd == 0);

    /* What is free between objects without headers of their own is free, too. */
    enum { MANY = 40000 };
    static char *small[MANY];
    for (int i = 0; i < MANY; i++)
        small[i] = malloc(48);
    struct mallinfo2 e = mallinfo2();
    for (int i = 0; i < MANY; i++)
        if (i % 16 != 0)
            free(small[i]);
    malloc_trim(0);
    struct mallinfo2 f = mallinfo2();
    CHECK(f.uordblks <= e.uordblks - (size_t)MANY * 48 * 3 / 4, "(%zu, %zu)", e.uordblks, f.uordblks);
    CHECK(f.arena == f.uordblks + f.fordblks);
    free(first);
    return 0;
}
