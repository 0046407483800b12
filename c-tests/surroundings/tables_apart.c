/* Usage: tables_apart break|mapping|tables: what lies around the library's writable segment once the heap has
   grown, or memory was mapped, for the program or for tables of Cairn's own (the caches of some threads):
   addresses that are taken and that nobody may touch, for some MiB, but for the pages in front that the loader
   has closed against writing. */
#define _GNU_SOURCE
#include "check.h"
#include <link.h>
#include <malloc.h>
#include <pthread.h>

enum { THREADS = 8 };
#define APART ((unsigned long)4 << 20)
static pthread_barrier_t all;

/* The library's only writable segment, behind what is closed of it. */
static unsigned long first, end;

static int find(struct dl_phdr_info *info, size_t size, void *unused)
{
    unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE);
    (void)size;
    (void)unused;
    if (strstr(info->dlpi_name, "libcairn.so") == NULL)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        unsigned long from = info->dlpi_addr + part->p_vaddr, to = from + part->p_memsz;
        if (part->p_type == PT_LOAD && (part->p_flags & PF_W)) {
            CHECK(end == 0);
            end = (to + page - 1) & -page;
        }
        if (part->p_type == PT_GNU_RELRO)
            first = to & -page;
    }
    return 1;
}

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

    CHECK(dl_iterate_phdr(find, NULL) == 1);
    CHECK(first != 0 && first < end);
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    char line[512];
    unsigned long front = 0, reached = 0; /* what is closed and ends at `reached` begins at `front` */
    unsigned long behind = end;           /* what is closed and begins at `end` ends here */
    while (fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        char access[5];
        CHECK(sscanf(line, "%lx-%lx %4s", &from, &to, access) == 3);
        if (to <= first) {
            int closed = !strcmp(access, "---p") || (to == first && !strcmp(access, "r--p"));
            if (!closed)
                front = 0;
            else if (front == 0 || from != reached)
                front = from;
            reached = to;
        } else if (from < end) {
            CHECK(from >= first && to <= end && !strcmp(access, "rw-p"));
        } else if (from == behind && !strcmp(access, "---p")) {
            behind = to;
        }
    }
    CHECK(reached == first && front != 0 && first - front >= APART);
    CHECK(behind - end >= APART);
    return 0;
}
