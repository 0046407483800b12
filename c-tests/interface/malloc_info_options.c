/* malloc_info with options other than 0 returns EINVAL and writes nothing. */
#include "check.h"

int main(void)
{
    FILE *out = tmpfile();
    CHECK(out != NULL);
    for (int options = -2; options <= 2; options++)
        if (options != 0)
            CHECK(malloc_info(options, out) == EINVAL, "(%d)", options);
    CHECK(fflush(out) == 0 && ftell(out) == 0);
    CHECK(malloc_info(0, out) == 0);
    CHECK(fflush(out) == 0 && ftell(out) > 0);
    fclose(out);
    return 0;
}
