/* Usage: secure
   In a privileged process (AT_SECURE) every variable is ignored: an object of
   1 MiB is mapped whatever MALLOC_MMAP_MAX_ says; prints the usable size of one
   byte, which CAIRN_RUN_MAX would change. Exits with 77 if the system gives no
   privileges away here. */
#include "check.h"
#include <sys/auxv.h>

int main(void)
{
    if (!getauxval(AT_SECURE))
        return 77;
    CHECK(getenv("CAIRN_RUN_MAX") != NULL, "(the loader took the variables away itself)");
    void *p = malloc(1 << 20), *q = malloc(1);
    CHECK(mallinfo2().hblks == 1);
    dprintf(1, "%zu", malloc_usable_size(q));
    free(p);
    free(q);
    return 0;
}
