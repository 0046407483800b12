/* Usage: merge foot|freed_header|next_header
   Damages what merging relies on, then frees a neighbour and has the free
   chunks merged: the foot of the free chunk in front, its header, or the header
   of the live chunk behind. */
#include "check.h"

enum { SIZE = 100000 };

int main(int argc, char **argv)
{
    char *front = opaque(malloc(SIZE)), *middle = opaque(malloc(SIZE)), *behind = malloc(SIZE);
    CHECK(malloc(SIZE) != NULL && behind != NULL);
    size_t usable = malloc_usable_size(front);
    CHECK(middle == front + usable + 8, "(not neighbours)");
    char *stale = opaque(front);
    free(front);
    malloc_trim(0);
    if (strcmp(argv[1], "foot") == 0)
        ((uintptr_t *)(middle - 16))[0] += 4096;
    else if (strcmp(argv[1], "freed_header") == 0)
        ((uint32_t *)(stale - 8))[0] += 4096;
    else if (strcmp(argv[1], "next_header") == 0)
        memset(behind - 8, 0x41, 8);
    else
        return 2;
    free(middle);
    malloc_trim(0);
    free(behind);
    return 0;
}
