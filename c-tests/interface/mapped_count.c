/* Usage: mapped_count BYTES COUNT [PARAMETER VALUE]...
   After the mallopt calls, an object of BYTES makes COUNT mapped chunks: the
   second one does, as the first may fit into what top has left. */
#include "check.h"

int main(int argc, char **argv)
{
    for (int i = 3; i + 1 < argc; i += 2)
        CHECK(mallopt(atoi(argv[i]), atoi(argv[i + 1])) == 1, "(%s %s)", argv[i], argv[i + 1]);
    size_t bytes = strtoul(argv[1], NULL, 0);
    void *p = malloc(bytes);
    size_t before = mallinfo2().hblks;
    void *q = malloc(bytes);
    size_t mapped = mallinfo2().hblks - before;
    CHECK(p != NULL && q != NULL);
    CHECK(mapped == strtoul(argv[2], NULL, 0), "(%zu, not %s, mapped chunks for %zu bytes)", mapped, argv[2], bytes);
    free(p);
    free(q);
    return 0;
}
