/* Growth by realloc, ROUNDS times. "vectors": 200 at once, each by half of its
 * size, to a hundred KiB, and four of them to megabytes. "text": one buffer in
 * steps of a page to 24 MiB, written letter by letter, with small objects taken
 * and freed meanwhile. */
#include "bench.h"

enum { VECTORS = 200, NOTES = 4096 };

static uint64_t sum;

static size_t grown(size_t size)
{
    return size + size / 2 + 64;
}

static void vectors(size_t rounds)
{
    uint64_t state = 5;
    for (size_t round = 0; round < rounds; round++) {
        static char *bytes[VECTORS];
        static size_t sizes[VECTORS];
        for (int step = 0; step < 21; step++)
            for (int v = 0; v < VECTORS; v++) {
                if (next_random(&state) >> 61 == 0 || (step > 17 && v % 50))
                    continue;
                size_t old = sizes[v];
                sizes[v] = grown(old);
                bytes[v] = must(realloc(bytes[v], sizes[v]));
                fill(bytes[v] + old, sizes[v] - old, old);
            }
        for (int v = 0; v < VECTORS; v++) {
            for (size_t old = 0; old < sizes[v]; old = grown(old))
                mix(&sum, (unsigned char)bytes[v][old] + 256u * (unsigned char)bytes[v][grown(old) - 1]);
            free(bytes[v]);
            bytes[v] = NULL;
            sizes[v] = 0;
        }
    }
}

static void text(size_t rounds)
{
    static char *notes[NOTES];
    uint64_t state = 6;
    for (size_t round = 0; round < rounds; round++) {
        char *bytes = NULL;
        size_t step = 4096, size = 0;
        for (; size < (size_t)24 << 20; size += step) {
            size_t note = below(&state, NOTES);
            bytes = must(realloc(bytes, size + step));
            for (size_t i = size; i < size + step; i++)
                bytes[i] = (char)('a' + below(&state, 26));
            free(notes[note]);
            notes[note] = must(malloc(100));
            fill(notes[note], 100, note);
        }
        mix(&sum, look(bytes, size));
        free(bytes);
    }
    for (int n = 0; n < NOTES; n++)
        free(notes[n]);
}

int main(int argc, char **argv)
{
    size_t rounds = argument(argc, argv, 2, 40);
    if (argc > 1 && *argv[1] == 't')
        text(rounds);
    else
        vectors(rounds);
    return result(sum);
}
