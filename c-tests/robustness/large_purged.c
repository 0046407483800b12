/* Threads take, fill and free large blocks while all that is free goes back at once: nothing that is in
 * use goes. What each block holds is looked at, page by page, when it is freed. */
#include "../check.h"
#include <pthread.h>
#include <stdint.h>

enum { THREADS = 6, LIVE = 12, STEPS = 2000, PAGE = 4096 };

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void fill(uint64_t *block, size_t bytes, uint64_t with)
{
    for (size_t at = 0; at < bytes; at += PAGE)
        block[at / sizeof *block] = with + at;
    block[bytes / sizeof *block - 1] = with;
}

static void look(uint64_t *block, size_t bytes, uint64_t with)
{
    CHECK(block[bytes / sizeof *block - 1] == with, "the end of %zu bytes is lost", bytes);
    for (size_t at = 0; at + PAGE <= bytes; at += PAGE)
        CHECK(block[at / sizeof *block] == with + at, "page %zu of %zu bytes is lost", at / PAGE, bytes);
}

static void *work(void *seed)
{
    uint64_t state = (uintptr_t)seed, *blocks[LIVE] = {NULL}, with[LIVE];
    size_t sizes[LIVE];
    for (int step = 0; step < STEPS; step++) {
        size_t i = next(&state) % LIVE;
        if (blocks[i] != NULL)
            look(blocks[i], sizes[i], with[i]);
        free(blocks[i]);
        /* 16 KiB to 4 MiB, small ones more often. */
        sizes[i] = (size_t)16384 << next(&state) % 8;
        sizes[i] += next(&state) % sizes[i] & ~(size_t)15;
        with[i] = next(&state);
        CHECK((blocks[i] = malloc(sizes[i])) != NULL, "");
        fill(blocks[i], sizes[i], with[i]);
    }
    for (size_t i = 0; i < LIVE; i++)
        free(blocks[i]);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)(i + 1)) == 0, "");
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0, "");
    return 0;
}
