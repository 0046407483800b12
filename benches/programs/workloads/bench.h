/* What the workloads share: numbers from the command line, a generator whose
 * sequence is the same everywhere, a mix of sizes, and objects that are filled
 * and read back, so that a wrong byte changes what the program prints. */
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

/* A number below limit, which is below 2^32. The high bits, without a division. */
static inline size_t below(uint64_t *state, size_t limit)
{
    return (size_t)((next_random(state) >> 32) * limit >> 32);
}

/* A size as programs ask for. Of 1024 requests 880 are up to 128 bytes, small
 * ones before others; 112 up to 1 KiB, 27 up to 8 KiB, 4 up to 32 KiB, and one
 * up to 100 KB. 300 bytes on average. */
static inline size_t mixed_size(uint64_t *state)
{
    uint64_t r = next_random(state);
    size_t kind = r >> 54, a = r >> 32 & 0xffff, b = r & 0xffff;
    if (kind < 880) {
        size_t lesser = a < b ? a : b;
        return 1 + lesser * 128 / 65536;
    }
    if (kind < 992)
        return 129 + a * 896 / 65536;
    if (kind < 1019)
        return 1025 + a * 7168 / 65536;
    if (kind < 1023)
        return 8193 + a * 24576 / 65536;
    return 32769 + a * 67231 / 65536;
}

static inline void *must(void *p)
{
    if (p == NULL) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    return p;
}

/* Bytes between two that fill() writes in a large object: a cache line. */
enum { LINE = 64 };

/* Writes what a program that uses all of an object would: each byte of a small
 * one, each line of a large one, and the last byte. */
static inline void fill(void *p, size_t size, uint64_t value)
{
    unsigned char *bytes = p;
    if (size == 0)
        return;
    if (size <= 2 * LINE)
        memset(bytes, (int)(value & 0xff), size);
    else
        for (size_t i = 0; i < size; i += LINE)
            bytes[i] = (unsigned char)(value + i / LINE);
    bytes[size - 1] = (unsigned char)(value >> 8);
}

/* What fill() left at both ends and in the middle, as one number. */
static inline uint64_t look(const void *p, size_t size)
{
    const unsigned char *bytes = p;
    if (size == 0)
        return 0;
    return bytes[0] + ((uint64_t)bytes[size / 2 / LINE * LINE] << 8)
        + ((uint64_t)bytes[size - 1] << 16);
}

/* Takes a number into a sum that depends on the order. */
static inline void mix(uint64_t *sum, uint64_t value)
{
    *sum = (*sum ^ value) * 0x9e3779b97f4a7c15ULL;
    *sum ^= *sum >> 29;
}

/* The line that two allocators must agree on. */
static inline int result(uint64_t sum)
{
    printf("checksum %016llx\n", (unsigned long long)sum);
    return 0;
}

#endif
