/* Usage: binned links|links_into_object|first_link|second_link|size|tag|foot
   Overwrites a word of a free chunk that lies in a bin between two live ones,
   then asks for memory that would come from it. */
#include "check.h"

enum { SIZE = 100000 };

int main(int argc, char **argv)
{
    /* Two free chunks of one bin, so that each has a link to follow. */
    char *a = opaque(malloc(SIZE)), *wall = malloc(SIZE), *b = opaque(malloc(SIZE)), *end = malloc(SIZE);
    char *live = malloc(SIZE);
    CHECK(live != NULL && wall != NULL && end != NULL);
    memset(live, 0, SIZE);
    size_t usable = malloc_usable_size(a);
    char *stale[2] = { opaque(a), opaque(b) };
    free(a);
    free(b);
    malloc_trim(0); /* whatever waits for reuse goes to the bins */
    uintptr_t inside = (uintptr_t)(live + 64);
    for (int i = 0; i < 2; i++) {
        uintptr_t *words = (uintptr_t *)stale[i];
        uint32_t *header = (uint32_t *)(stale[i] - 8);
        uintptr_t *foot = (uintptr_t *)(stale[i] + usable - 8);
        if (strcmp(argv[1], "links") == 0)
            words[0] = words[1] = 0x4141414141414141;
        else if (strcmp(argv[1], "links_into_object") == 0)
            words[0] = words[1] = inside;
        else if (strcmp(argv[1], "first_link") == 0)
            words[0] = inside;
        else if (strcmp(argv[1], "second_link") == 0)
            words[1] = inside;
        else if (strcmp(argv[1], "size") == 0)
            header[0] += 4096;
        else if (strcmp(argv[1], "tag") == 0)
            header[1] = ~header[1];
        else if (strcmp(argv[1], "foot") == 0)
            *foot += 4096;
        else
            return 2;
    }
    for (int i = 0; i < 4; i++)
        CHECK(malloc(SIZE) != NULL);
    return 0;
}
