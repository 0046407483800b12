/* Memory that waits in the quarantine is there when there is no other: with
   address space for 96 MiB, 64 MiB are taken and freed again and again, in
   chunks and in mappings of their own. */
#include "check.h"
#include <sys/resource.h>

enum { MOST = 96 << 20, PART = 64 << 20 };

static void round_of(size_t size)
{
    static void *p[PART / 50000];
    size_t count = PART / size;
    for (size_t i = 0; i < count; i++) {
        CHECK((p[i] = malloc(size)) != NULL, "(%zu of %zu, %zu bytes each)", i, count, size);
        memset(p[i], 0x41, size);
    }
    for (size_t i = 0; i < count; i++)
        free(p[i]);
}

int main(void)
{
    struct rlimit limit = { MOST, MOST };
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    for (int i = 0; i < 4; i++) {
        round_of(50000);
        round_of(1 << 20);
    }
    CHECK(malloc(MOST) == NULL && errno == ENOMEM);
    return 0;
}
