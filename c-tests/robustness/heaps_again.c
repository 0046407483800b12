/* Heaps that grow over several reservations and are emptied again and again, by
   the main thread and by another at the same time: after the first rounds
   neither the address space nor the number of mappings grows. */
#include "check.h"
#include <fcntl.h>
#include <pthread.h>

enum { ROUNDS = 60, SETTLED = 20, MOST = 4000, BYTES = 100 << 20, MORE_SPACE_KIB = 70000, MORE_MAPPINGS = 8 };

struct use {
    long space_kib, mappings;
};

static struct use now_used(void)
{
    static char text[1 << 16];
    struct use use = {0, 0};
    int file = open("/proc/self/maps", O_RDONLY);
    CHECK(file >= 0);
    for (ssize_t length; (length = read(file, text, sizeof text)) > 0;)
        for (ssize_t i = 0; i < length; i++)
            use.mappings += text[i] == '\n';
    close(file);
    file = open("/proc/self/statm", O_RDONLY);
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    CHECK(length > 0);
    text[length] = 0;
    use.space_kib = atol(text) * (sysconf(_SC_PAGESIZE) / 1024);
    return use;
}

static void *grow_and_shrink(void *seed)
{
    uint64_t state = (uintptr_t)seed;
    char **held = calloc(MOST, sizeof *held);
    size_t bytes = 0, count = 0;
    CHECK(held != NULL);
    while (bytes < BYTES && count < MOST) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t n = 30000 + (size_t)(state >> 33) % 60000;
        CHECK((held[count] = malloc(n)) != NULL);
        held[count][0] = held[count][n - 1] = (char)count;
        count++;
        bytes += n;
    }
    for (size_t i = 0; i < count; i++) {
        size_t at = (i * 7919 + 13) % count;
        while (held[at] == NULL)
            at = (at + 1) % count;
        CHECK(held[at][0] == (char)at);
        free(held[at]);
        held[at] = NULL;
    }
    free(held);
    return NULL;
}

int main(void)
{
    struct use most = {0, 0};
    for (uintptr_t round = 1; round <= ROUNDS; round++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, grow_and_shrink, (void *)round) == 0);
        grow_and_shrink((void *)(round + 1000));
        CHECK(pthread_join(thread, NULL) == 0);
        malloc_trim(0);
        struct use use = now_used();
        if (round <= SETTLED) {
            most.space_kib = use.space_kib > most.space_kib ? use.space_kib : most.space_kib;
            most.mappings = use.mappings > most.mappings ? use.mappings : most.mappings;
            continue;
        }
        CHECK(use.space_kib <= most.space_kib + MORE_SPACE_KIB, "round %d: %ld KiB, before %ld",
              (int)round, use.space_kib, most.space_kib);
        CHECK(use.mappings <= most.mappings + MORE_MAPPINGS, "round %d: %ld mappings, before %ld",
              (int)round, use.mappings, most.mappings);
    }
    return 0;
}
