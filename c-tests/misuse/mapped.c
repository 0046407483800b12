/* Usage: mapped CALL HOW
   Misuses a mapped chunk of 1 MiB: under (its header overwritten by 8 bytes),
   under1 (by 1), interior (a page inside), near (16 bytes inside). */
#include "check.h"

int main(int argc, char **argv)
{
    CHECK(mallopt(M_MMAP_THRESHOLD, 128 * 1024) == 1);
    unsigned char *p = malloc(1 << 20);
    CHECK(p != NULL && mallinfo2().hblks == 1);
    if (strcmp(argv[2], "under") == 0)
        for (int i = 1; i <= 8; i++)
            p[-i] = (unsigned char)~p[-i];
    else if (strcmp(argv[2], "under1") == 0)
        p[-1] = (unsigned char)~p[-1];
    else if (strcmp(argv[2], "interior") == 0)
        p += 4096;
    else if (strcmp(argv[2], "near") == 0)
        p += 16;
    else
        return 2;
    p = opaque(p);
    if (strcmp(argv[1], "free") == 0)
        free(p);
    else if (strcmp(argv[1], "realloc") == 0)
        opaque(realloc(p, any(2 << 20)));
    else if (strcmp(argv[1], "usable_size") == 0)
        return malloc_usable_size(p) == 0;
    return 0;
}
