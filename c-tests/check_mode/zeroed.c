/* calloc's memory is zero whatever freed memory is filled with, and so is what
   is used again after the quarantine. */
#include "check.h"

int main(void)
{
    for (int round = 0; round < 200; round++)
        for (size_t size = 1; size < 300000; size = size * 3 + 1) {
            unsigned char *p = calloc(1, size);
            for (size_t i = 0; i < size; i++)
                CHECK(p[i] == 0, "(byte %zu of %zu)", i, size);
            memset(p, 0x41, size);
            free(p);
        }
    return 0;
}
