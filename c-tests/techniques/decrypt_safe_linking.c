/* Usage: decrypt_safe_linking SIZE
   Reads a freed object for links, disguised or not, that would say where the
   heap is: nothing was written, so there is nothing to decrypt. */
#include "attack.h"

int main(int argc, char **argv)
{
    size_t n = size_arg(argv);
    warm(n);
    unsigned char *p[4];
    for (int i = 0; i < 4; i++) {
        p[i] = take_raw(n);
        memset(p[i], 0x5a, n);
    }
    for (int i = 0; i < 4; i++)
        drop(p[i]);
    for (int i = 0; i < 4; i++)
        for (size_t j = 0; j < n; j++)
            CHECK(p[i][j] == 0x5a, "byte %zu of object %d", j, i);
    return settle();
}
