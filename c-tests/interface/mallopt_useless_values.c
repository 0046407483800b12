/* A value that cannot be used is ignored and never aborts: the heap goes on
   whatever mallopt was given. */
#include "check.h"

int main(void)
{
    const int parameters[] = { M_MXFAST,   M_TRIM_THRESHOLD, M_TOP_PAD,    M_MMAP_THRESHOLD, M_MMAP_MAX,
                               M_PERTURB,  M_CHECK_ACTION,   M_ARENA_TEST, M_ARENA_MAX };
    const int values[] = { -1, INT32_MIN, INT32_MAX, -4096, 1, 7, 0 };
    for (int v = 0; v < 7; v++)
        for (int i = 0; i < 9; i++) {
            if (parameters[i] == M_TOP_PAD && values[v] == INT32_MAX)
                continue; /* 2 GiB with every growth: it can be used */
            int taken = mallopt(parameters[i], values[v]);
            CHECK(taken == 0 || taken == 1);
            for (size_t n = 1; n < (4u << 20); n = n * 5 + 11) {
                char *p = malloc(n), *q = calloc(1, n);
                CHECK(p != NULL && q != NULL, "(%zu bytes after mallopt(%d, %d))", n, parameters[i], values[v]);
                memset(p, 1, n);
                CHECK(q[0] == 0 && q[n - 1] == 0);
                p = realloc(p, 2 * n);
                CHECK(p != NULL && p[n - 1] == 1);
                free(p);
                free(q);
            }
        }
    return 0;
}
