/* What the bench programs share: numbers from the command line, a generator
 * whose sequence is the same everywhere, and a mix of sizes. */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The n-th argument as a number, or a value of the program's own. */
static inline size_t argument(int argc, char **argv, int n, size_t otherwise)
{
    return argc > n ? strtoul(argv[n], NULL, 0) : otherwise;
}

/* xorshift64*: quick, and the seed decides everything. */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545f4914f6cdd1dULL;
}

/* A size as programs ask for: most requests are small, a few are not. Of 64,
 * 48 are up to 128 bytes, 12 up to 1 KiB, 3 up to 8 KiB, 1 up to 64 KiB. */
static inline size_t mixed_size(uint64_t *state)
{
    uint64_t r = next_random(state);
    unsigned kind = r & 63;
    r >>= 8;
    if (kind < 48)
        return 1 + r % 128;
    if (kind < 60)
        return 129 + r % 896;
    if (kind < 63)
        return 1025 + r % 7168;
    return 8193 + r % 57344;
}

static inline void *must(void *p)
{
    if (p == NULL) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    return p;
}

/* Writes to both ends and each page between, as a program that uses all of it. */
static inline void touch(void *p, size_t size)
{
    volatile char *bytes = p;
    for (size_t i = 0; i < size; i += 4096)
        bytes[i] = (char)i;
    if (size)
        bytes[size - 1] = 1;
}

#endif
