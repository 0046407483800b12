/* Usage: slot SIZE BYTES
   Overwrites the last BYTES below the first object of a run, where the header
   of the chunk around it is, then frees every object of that run. */
#include "techniques/attack.h"

enum { REGION = 1 << 16, MOST = 6000 };

int main(int argc, char **argv)
{
    static unsigned char *p[MOST];
    size_t n = size_arg(argv), bytes = strtoul(argv[2], NULL, 0);
    unsigned char *first = NULL;
    for (int i = 0; i < MOST; i++) {
        p[i] = malloc(n);
        CHECK(p[i] != NULL);
        if (address(p[i]) % REGION == 0)
            first = p[i];
    }
    CHECK(first != NULL);
    char line[64];
    int len = snprintf(line, sizeof line, "v 0x%lx\n", address(first));
    CHECK(write(1, line, (size_t)len) == len);
    for (size_t i = 1; i <= bytes; i++)
        first[-(long)i] = (unsigned char)~first[-(long)i];
    for (int i = 0; i < MOST; i++)
        if (p[i] >= first && p[i] < first + REGION)
            free(p[i]);
    malloc_trim(0);
    return 0;
}
