/* Usage: underflow SIZE BELOW BYTES [exit]
   Turns BYTES bytes, from BELOW bytes below an object of SIZE bytes on, then
   frees it and those that were given out around it, or ends. */
#include "check.h"

int main(int argc, char **argv)
{
    CHECK(argc == 4 || argc == 5);
    enum { AROUND = 8 };
    size_t size = strtoul(argv[1], NULL, 0), below = strtoul(argv[2], NULL, 0), bytes = strtoul(argv[3], NULL, 0);
    unsigned char *p[AROUND];
    for (int i = 0; i < AROUND; i++)
        CHECK((p[i] = opaque(malloc(size))) != NULL);
    for (size_t i = 0; i < bytes; i++)
        p[AROUND / 2][i - below] = (unsigned char)~p[AROUND / 2][i - below];
    if (argc == 5)
        return 0;
    for (int i = 0; i < AROUND; i++)
        free(p[i]);
    _exit(0);
}
