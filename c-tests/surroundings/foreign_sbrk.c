/* A program moves the break itself, up and down, between its allocations: what
   it took stays its own, what the allocator gave out stays whole. */
#define _GNU_SOURCE
#include "check.h"
#include <malloc.h>

enum { ROUNDS = 200, OBJECTS = 300 };

int main(void)
{
    check_served();
    static char *taken[ROUNDS];
    static size_t taken_sizes[ROUNDS];
    static void *objects[ROUNDS][OBJECTS];
    static size_t sizes[ROUNDS][OBJECTS];
    uint64_t state = 5;
    for (int round = 0; round < ROUNDS; round++) {
        taken_sizes[round] = 1 + next_random(&state) % 20000;
        if (round % 4 == 0)
            taken_sizes[round] = 4096 * (1 + next_random(&state) % 8);
        taken[round] = sbrk((intptr_t)taken_sizes[round]);
        CHECK(taken[round] != (void *)-1);
        fill(taken[round], taken_sizes[round], (unsigned)round);
        if (round % 3 == 0) {
            /* Given back dirty: what the heap then takes from the same page
               is fresh to it, but not zero. */
            char *top = sbrk(0);
            CHECK(top == taken[round] + taken_sizes[round]);
            CHECK(sbrk(-(intptr_t)taken_sizes[round]) == top);
            taken[round] = NULL;
        }
        for (int at = 0; at < OBJECTS; at++) {
            sizes[round][at] = some_size(&state);
            int cleared = at % 5 == 0;
            unsigned char *memory = cleared ? calloc(1, sizes[round][at]) : malloc(sizes[round][at]);
            CHECK(memory != NULL);
            if (cleared)
                for (size_t byte = 0; byte < sizes[round][at]; byte++)
                    CHECK(memory[byte] == 0);
            fill(memory, sizes[round][at], (unsigned)(round * OBJECTS + at));
            objects[round][at] = memory;
        }
        if (round >= 10)
            for (int at = 0; at < OBJECTS; at++) {
                CHECK(is_filled(objects[round - 10][at], sizes[round - 10][at],
                                (unsigned)((round - 10) * OBJECTS + at)));
                free(objects[round - 10][at]);
                objects[round - 10][at] = NULL;
            }
    }
    for (int round = 0; round < ROUNDS; round++) {
        if (taken[round] != NULL)
            CHECK(is_filled(taken[round], taken_sizes[round], (unsigned)round));
        for (int at = 0; at < OBJECTS; at++)
            free(objects[round][at]);
    }
    malloc_trim(0);
    for (int round = 0; round < ROUNDS; round++)
        if (taken[round] != NULL)
            CHECK(is_filled(taken[round], taken_sizes[round], (unsigned)round));
    churn(6, 10000);
    return 0;
}
