/* Usage: past_top trim|quiet
   Much of what is free lies at the heap's end and stays, by the pad of a trim or by a threshold; a hole
   that was freed after it goes all the same: with the first trim, or once the program is quiet. */
#include "check.h"
#include "robustness/resident.h"
#include <pthread.h>

enum { MIB = 1 << 20, BYTES = 60000, HOLE = 340, END = 680 };

static void *waits(void *unused)
{
    free(opaque(malloc(100)));
    pause();
    return unused;
}

static void take(unsigned char **all, int n)
{
    for (int i = 0; i < n; i++)
        memset(all[i] = opaque(malloc(BYTES)), 1, BYTES);
}

static void give(unsigned char **all, int n)
{
    for (int i = 0; i < n; i++)
        free(all[i]);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    int quiet = strcmp(argv[1], "quiet") == 0;
    static unsigned char *hole[HOLE], *end[END], *between[1];
    CHECK(mallopt(M_MMAP_THRESHOLD, 1 << 30) == 1);
    CHECK(mallopt(M_TRIM_THRESHOLD, quiet ? 128 * MIB : 1 << 30) == 1);
    pthread_t thread;
    if (quiet) /* the background thread comes with the program's own */
        CHECK(pthread_create(&thread, NULL, waits, NULL) == 0);
    take(hole, HOLE);
    take(between, 1);
    take(end, END);
    give(end, END);
    give(hole, HOLE);
    long before = resident_kib(), most = before - (long)HOLE * BYTES / 1024 * 9 / 10;
    if (!quiet)
        CHECK(malloc_trim(40 * MIB) == 1);
    for (int i = 0; quiet && i < 200 && resident_kib() > most; i++)
        usleep(50000);
    CHECK(resident_kib() <= most, "(%ld of %ld KiB)", resident_kib(), before);
    CHECK(resident_kib() >= 36 * MIB / 1024, "(%ld KiB)", resident_kib());
    _exit(0);
}
