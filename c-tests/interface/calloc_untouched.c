/* Usage: calloc_untouched BYTES COUNT
   calloc does not clear what is known to be zero: memory fresh from the system
   stays untouched, so it is not resident. Objects of BYTES, COUNT of them. */
#include "check.h"

static size_t resident(void)
{
    char text[64];
    FILE *statm = fopen("/proc/self/statm", "r");
    CHECK(statm != NULL && fgets(text, sizeof text, statm) != NULL);
    fclose(statm);
    return strtoul(strchr(text, ' '), NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

int main(int argc, char **argv)
{
    size_t bytes = strtoul(argv[1], NULL, 0), count = strtoul(argv[2], NULL, 0);
    resident(); /* what stdio needs is there before the first look */
    size_t before = resident();
    for (size_t i = 0; i < count; i++)
        CHECK(calloc(1, bytes) != NULL);
    size_t grown = resident() - before;
    CHECK(grown < bytes * count / 4, "(%zu of %zu bytes resident)", grown, bytes * count);
    return 0;
}
