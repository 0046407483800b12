/* Four threads grow and shrink memory of all sizes, mapped chunks and aligned
   ones too: what fits into both sizes is kept, byte by byte. */
#define _GNU_SOURCE
#include "check.h"
#include <malloc.h>
#include <pthread.h>

enum { THREADS = 4, SLOTS = 64, ROUNDS = 20000 };

/* The byte at a place depends on the place, so that a shifted copy is seen. */
static unsigned char expected(unsigned seed, size_t at)
{
    return (unsigned char)(seed + at * 131 + (at >> 8) * 17);
}

/* Of large memory only both ends are written and looked at. */
static void write_ends(unsigned char *memory, size_t size, unsigned seed)
{
    size_t ends = size <= 4096 ? size : 512;
    for (size_t at = 0; at < ends; at++)
        memory[at] = expected(seed, at);
    for (size_t at = size - ends; at < size; at++)
        memory[at] = expected(seed, at);
}

static size_t new_size(uint64_t *state)
{
    uint64_t r = next_random(state);
    switch (r % 64) {
    case 0:
        return 100000 + (r >> 8) % 1500000;
    case 1:
    case 2:
    case 3:
        return 4096 + (r >> 8) % 60000;
    default:
        return 1 + (r >> 8) % 2000;
    }
}

static void *resize(void *number)
{
    uint64_t state = ((uintptr_t)number + 3) * 0x9e3779b97f4a7c15u;
    unsigned char *slots[SLOTS] = {0};
    size_t sizes[SLOTS] = {0};
    for (int round = 0; round < ROUNDS; round++) {
        size_t at = next_random(&state) % SLOTS;
        unsigned seed = (unsigned)at * 7;
        size_t size = new_size(&state);
        if (next_random(&state) % 16 == 0) {
            free(slots[at]);
            slots[at] = memalign((size_t)32 << next_random(&state) % 8, size);
            sizes[at] = 0;
        } else if (next_random(&state) % 4 == 0 && sizes[at] > 0) {
            /* A little more or less: where growing in place is the rule. */
            size = sizes[at] + next_random(&state) % 64;
            slots[at] = realloc(slots[at], size);
        } else {
            slots[at] = realloc(slots[at], size);
        }
        unsigned char *memory = slots[at];
        CHECK(memory != NULL);
        CHECK((uintptr_t)memory % 16 == 0 && malloc_usable_size(memory) >= size);
        size_t kept = sizes[at] < size ? sizes[at] : size;
        for (size_t byte = 0; byte < kept && byte < 512; byte++)
            CHECK(memory[byte] == expected(seed, byte));
        if (kept <= 4096 && sizes[at] <= 4096)
            for (size_t byte = 0; byte < kept; byte++)
                CHECK(memory[byte] == expected(seed, byte));
        if (kept == sizes[at])
            for (size_t byte = kept > 512 ? kept - 512 : 0; byte < kept; byte++)
                CHECK(memory[byte] == expected(seed, byte));
        write_ends(memory, size, seed);
        sizes[at] = size;
    }
    for (int at = 0; at < SLOTS; at++)
        free(slots[at]);
    return NULL;
}

int main(void)
{
    check_served();
    pthread_t threads[THREADS];
    for (uintptr_t at = 0; at < THREADS; at++)
        CHECK(pthread_create(&threads[at], NULL, resize, (void *)at) == 0);
    for (int at = 0; at < THREADS; at++)
        CHECK(pthread_join(threads[at], NULL) == 0);

    /* A mapped chunk grows far and back, whole all the way. */
    size_t size = 200000;
    unsigned *numbers = malloc(size);
    CHECK(numbers != NULL);
    for (size_t at = 0; at < size / 4; at++)
        numbers[at] = (unsigned)at;
    for (int step = 0; step < 8; step++) {
        numbers = realloc(numbers, size * 2);
        CHECK(numbers != NULL);
        for (size_t at = 0; at < size / 4; at++)
            CHECK(numbers[at] == at);
        for (size_t at = size / 4; at < size / 2; at++)
            numbers[at] = (unsigned)at;
        size *= 2;
    }
    while (size > 100) {
        size /= 2;
        numbers = realloc(numbers, size);
        CHECK(numbers != NULL);
        for (size_t at = 0; at < size / 4; at++)
            CHECK(numbers[at] == at);
    }
    free(numbers);
    return 0;
}
