/* With runs off, every request from one byte up is a chunk with its own
   header: a multiple of 16 bytes, at least 32, of which 8 are the header. */
#include "check.h"

int main(void)
{
    for (size_t n = 0; n <= 512; n++) {
        void *p = malloc(n);
        size_t chunk = (n + 8 + 15) / 16 * 16;
        if (chunk < 32)
            chunk = 32;
        CHECK(malloc_usable_size(p) == chunk - 8, "(%zu: %zu)", n, malloc_usable_size(p));
        free(p);
    }
    return 0;
}
