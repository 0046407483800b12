/* At the limit of its address space the program gives objects back that lie side
   by side. What rests for requests of their size must serve larger ones too,
   and afterwards one of another small size. */
#define _GNU_SOURCE
#include "check.h"

enum { MOST = 400000, SIZE = 496, FREED = 6200, LIMIT = 100 << 20 };

int main(void)
{
    static void *p[MOST];
    /* The allocator's own tables have their size when the limit comes. */
    for (int i = 0; i < FREED; i++)
        CHECK((p[i] = malloc(SIZE)) != NULL);
    for (int i = 0; i < FREED; i++)
        free(p[i]);
    struct rlimit limit = { LIMIT, LIMIT };
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    int n = 0;
    while (n < MOST && (p[n] = malloc(SIZE)) != NULL)
        n++;
    CHECK(n > 4 * FREED && n < MOST);
    for (int i = n / 2; i < n / 2 + FREED; i++)
        free(p[i]);
    void *large = malloc(FREED * SIZE / 8 * 7);
    CHECK(large != NULL);
    CHECK(malloc(20000) != NULL);
    CHECK(malloc(600) != NULL);
    CHECK(malloc(48) != NULL);
    check_served();
    return 0;
}
