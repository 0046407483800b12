/* Some of everything: for knobs whose promise is that nothing breaks. */
#include "check.h"

int main(void)
{
    enum { COUNT = 500 };
    unsigned char *p[COUNT];
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < COUNT; i++) {
            size_t n = (size_t)(i * 7 + round * 131) % 3000 + 1;
            if (i % 100 == 0)
                n += 150000;
            p[i] = i % 3 ? malloc(n) : calloc(1, n);
            CHECK(p[i] != NULL && (i % 3 || p[i][n - 1] == 0));
            memset(p[i], i, n);
            if (i % 5 == 0) {
                p[i] = realloc(p[i], 2 * n);
                CHECK(p[i] != NULL && p[i][n - 1] == (unsigned char)i);
            }
        }
        for (int i = 0; i < COUNT; i++) {
            int at = (i * 37) % COUNT;
            CHECK(p[at][0] == (unsigned char)at);
            free(p[at]);
        }
    }
    return 0;
}
