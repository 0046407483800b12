/* Objects of known sizes for who listens at the probes: prints how many bytes were asked for and how many
 * of those were not freed, then waits for a word, does its work, prints, and waits for another. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../check.h"

enum { COUNT = 200000, KEPT = 3 };

int main(void)
{
    char word;
    puts("ready");
    fflush(stdout);
    CHECK(read(0, &word, 1) == 1);
    size_t all = 0, kept = 0;
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = 16 + i % 97 * 24 + (i % 1000 == 0 ? 200000 : 0);
        char *volatile p = malloc(size);
        CHECK(p != NULL);
        p[0] = 1;
        all += size;
        if (i % KEPT == 0)
            kept += size;
        else
            free(p);
    }
    printf("%zu %zu\n", all, kept);
    fflush(stdout);
    return read(0, &word, 1) < 0;
}
