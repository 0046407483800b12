/* Usage: guards break|mapping|tables: what lies around Cairn's own tables, which come behind the library's
   file and perhaps some single words, once the heap has grown, or memory was mapped beside it, for
   the program or for tables of Cairn's own (the caches of some threads). */
#define _GNU_SOURCE
#include "check.h"
#include <malloc.h>
#include <pthread.h>

enum { THREADS = 8 };

/* The most that the single words take: the tables begin at a multiple of the largest page. */
#ifdef __x86_64__
enum { WORDS = 4096 };
#else
enum { WORDS = 65536 };
#endif

static pthread_barrier_t all;

static void *allocates(void *unused)
{
    void *p = malloc(600);
    CHECK(p != NULL);
    pthread_barrier_wait(&all);
    free(p);
    return unused;
}

static void map_for_tables(void)
{
    pthread_t threads[THREADS];
    CHECK(mallopt(M_ARENA_MAX, 1) == 1);
    CHECK(pthread_barrier_init(&all, NULL, THREADS) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, allocates, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    if (!strcmp(argv[1], "break"))
        for (int i = 0; i < 4096; i++)
            CHECK(malloc(1000) != NULL);
    else if (!strcmp(argv[1], "mapping"))
        CHECK(malloc(1 << 20) != NULL);
    else
        map_for_tables();

    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    char line[512];
    unsigned long end = 0;
    int behind = 0; /* anonymous mappings behind the file, side by side */
    while (behind < 3 && fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        char access[5];
        CHECK(sscanf(line, "%lx-%lx %4s", &from, &to, access) == 3);
        if (strstr(line, "libcairn.so")) {
            end = to;
        } else if (end != 0) {
            CHECK(from == end);
            end = to;
            if (behind == 0 && !strcmp(access, "rw-p") && to - from <= WORDS)
                continue;
            const char *want = behind == 1 ? "rw-p" : "---p";
            CHECK(!strcmp(access, want));
            behind++;
        }
    }
    CHECK(behind == 3);
    return 0;
}
