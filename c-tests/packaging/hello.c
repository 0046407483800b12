/* Allocates, and says so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    for (size_t n = 1; n < 1000000; n *= 3) {
        char *p = malloc(n);
        if (p == NULL)
            return 1;
        memset(p, 1, n);
        free(p);
    }
    puts("hello");
    return 0;
}
