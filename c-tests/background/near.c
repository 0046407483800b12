/* Near its limit a heap keeps little in a thread's cache, however often sizes are asked for; far from
   it, before and afterwards, it keeps what pays. */
#include "background/take.h"

enum { LIMIT = 64 << 20, LIVE = 60 << 20, SIZES = 60, EACH = 40, ROUNDS = 12 };
/* A cache's least budget, and what it may keep of small classes beyond that, two of each. */
enum { LITTLE = 100 << 10, MUCH = 400 << 10 };

struct cairn_stats {
    uint32_t version, size;
    uint64_t in_use, free, cached;
};

static int (*stats)(struct cairn_stats *);

/* Takes and frees objects of many sizes again and again. Bytes that are cached then. */
static size_t kept(void)
{
    static void *held[SIZES][EACH];
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < SIZES; i++)
            for (int k = 0; k < EACH; k++)
                CHECK((held[i][k] = malloc(any(16 + (size_t)i * 16))) != NULL);
        for (int i = 0; i < SIZES; i++)
            for (int k = 0; k < EACH; k++)
                free(held[i][k]);
    }
    struct cairn_stats now = {.size = sizeof now};
    CHECK(stats(&now) == 0);
    return now.cached;
}

int main(void)
{
    size_t (*limit)(size_t, int) = (size_t (*)(size_t, int))dlsym(RTLD_DEFAULT, "cairn_limit");
    stats = (int (*)(struct cairn_stats *))dlsym(RTLD_DEFAULT, "cairn_stats");
    CHECK(limit != NULL && stats != NULL);
    CHECK(limit(LIMIT, 0) == 0);
    CHECK(kept() >= MUCH, "%zu bytes far from the limit", kept());
    void *live = malloc(any(LIVE));
    CHECK(live != NULL);
    malloc_trim(0);
    size_t near = kept();
    CHECK(near <= LITTLE, "%zu bytes near the limit", near);
    free(live);
    CHECK(kept() >= MUCH, "%zu bytes afterwards", kept());
    return 0;
}
