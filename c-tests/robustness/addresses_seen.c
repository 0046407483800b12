/* What the allocator knows of addresses goes with them: after 20 GB that were
   asked for and freed, hardly touched, nothing to speak of stays. `break`: by
   the main thread, `heaps`: by another one, in reservations, `small`: objects of
   60 bytes, of which fewer fit, with a state page for each 64 KiB of them. Where
   nobody trims the same is true later, for a program that goes on. */
#include "check.h"
#include "robustness/resident.h"
#include <pthread.h>

enum { BLOCK = 4 << 20, BLOCKS = 5000, SMALL = 60, SMALLS = 4 << 20, MOST_KIB = 3 << 10, LATER_KIB = 6 << 10, ROUNDS = 20000 };

/* Objects linked by their first word, so that the program has no table of its own. */
static void *see(void *what)
{
    size_t n = what == NULL ? BLOCK : SMALL, count = what == NULL ? BLOCKS : SMALLS;
    void **last = NULL;
    for (size_t i = 0; i < count; i++) {
        void **new = malloc(n);
        CHECK(new != NULL);
        *new = last;
        last = new;
    }
    while (last != NULL) {
        void **next = *last;
        free(last);
        last = next;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    CHECK(argc >= 2);
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    free(opaque(malloc(100)));
    long before = resident_kib();
    if (strcmp(argv[1], "heaps") == 0) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, see, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    } else {
        see(strcmp(argv[1], "small") == 0 ? &before : NULL);
    }
    if (argc == 2) {
        malloc_trim(0);
        long more = resident_kib() - before;
        CHECK(more <= MOST_KIB, "%ld KiB stay", more);
        return 0;
    }
    long more = 0;
    for (int i = 0; i < ROUNDS; i++) {
        for (int j = 0; j < 100; j++)
            free(opaque(malloc(40000 + (size_t)(i + j) % 8 * 1000)));
        usleep(100);
        more = resident_kib() - before;
        if (more <= LATER_KIB)
            return 0;
    }
    CHECK(more <= LATER_KIB, "%ld KiB stay", more);
    return 0;
}
