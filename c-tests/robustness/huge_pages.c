/* How many KiB of memory the kernel was advised to have in huge pages: at a
   peak of 24 MiB of small chunks, used from end to end; and at a second one
   there, after pages inside had gone back, and then all. */
#include "check.h"
#include <malloc.h>

enum { TOTAL = 24 << 20, PIECE = 1000, PIECES = TOTAL / PIECE, SURVIVES = 64 };

static char *all[PIECES];

static void take(void)
{
    for (int i = 0; i < PIECES; i++)
        if (all[i] == NULL) {
            all[i] = malloc(any(PIECE));
            CHECK(all[i] != NULL);
            memset(all[i], 1, PIECE);
        }
}

/* The last one stays, so that the heap is as long as it was. */
static void give(int step)
{
    for (int i = 0; i + 1 < PIECES; i++)
        if (i % SURVIVES != step) {
            free(all[i]);
            all[i] = NULL;
        }
    malloc_trim(0);
}

static long advised(void)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    CHECK(maps != NULL);
    char line[512];
    long kib = 0, sum = 0;
    while (fgets(line, sizeof line, maps) != NULL) {
        sscanf(line, "Size: %ld kB", &kib);
        if (strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " hg") != NULL)
            sum += kib;
    }
    fclose(maps);
    return sum;
}

int main(void)
{
    take();
    long first = advised();
    give(0);
    give(-1);
    take();
    printf("%ld %ld\n", first, advised());
    return 0;
}
