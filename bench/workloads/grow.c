/* Growth by realloc: vectors that grow by half, many at once, and one buffer
 * that grows in small steps to tens of megabytes. */
#include "bench.h"

enum { VECTORS = 200 };

int main(int argc, char **argv)
{
    size_t rounds = argument(argc, argv, 1, 120);
    uint64_t state = 5;
    for (size_t round = 0; round < rounds; round++) {
        static char *vectors[VECTORS];
        static size_t sizes[VECTORS];
        for (int step = 0; step < 18; step++)
            for (int v = 0; v < VECTORS; v++) {
                if (next_random(&state) % 8 == 0)
                    continue;
                sizes[v] = sizes[v] + sizes[v] / 2 + 16;
                vectors[v] = must(realloc(vectors[v], sizes[v]));
                vectors[v][sizes[v] - 1] = 1;
            }
        for (int v = 0; v < VECTORS; v++) {
            free(vectors[v]);
            vectors[v] = NULL;
            sizes[v] = 0;
        }
    }
    char *text = NULL;
    for (size_t size = 4096; size < (size_t)32 << 20; size += 4096) {
        text = must(realloc(text, size));
        text[size - 1] = 1;
    }
    free(text);
    return 0;
}
