/* A limit that is set when there is something already: that counts, what goes counts
   no more, and without the limit all is as it was before. A second limit counts what
   came and went meanwhile. */
#include "background/take.h"

enum { LIMIT = 64 << 20, LIVE = 20 << 20, MAPPED = 10, EACH = 2 << 20 };

/* Takes what is live from then on, in an arena that nobody enters any more where there are
   several, and never ends. */
static void *take_live(void *ready)
{
    for (size_t taken = 0; taken < LIVE; taken += 1000)
        CHECK(any((size_t)malloc(1000)) != 0);
    pthread_barrier_wait(ready);
    return wait_for_ever(NULL);
}

int main(void)
{
    size_t (*limit)(size_t, int) = (size_t (*)(size_t, int))dlsym(RTLD_DEFAULT, "cairn_limit");
    CHECK(limit != NULL);
    void **more = NULL, *mapped[MAPPED];
    pthread_t other;
    pthread_barrier_t ready;
    CHECK(pthread_barrier_init(&ready, NULL, 2) == 0);
    CHECK(pthread_create(&other, NULL, take_live, &ready) == 0);
    pthread_barrier_wait(&ready);
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    for (int i = 0; i < MAPPED; i++)
        CHECK((mapped[i] = malloc(EACH)) != NULL);

    CHECK(limit(LIMIT, 1) == 0);
    size_t room = LIMIT - LIVE - MAPPED * EACH;
    size_t taken = take_all(5128, &more);
    CHECK(taken <= room, "%zu bytes", taken);
    CHECK(taken >= room / 2, "%zu bytes", taken);
    for (int i = 0; i < MAPPED; i++)
        free(mapped[i]);
    taken = take_all(5128, &more);
    CHECK(taken <= MAPPED * EACH + room / 2, "%zu bytes", taken);
    CHECK(taken >= MAPPED * EACH / 4 * 3, "%zu bytes", taken);
    give(more);

    CHECK(limit(0, 0) == LIMIT);
    more = NULL;
    CHECK(take_all(EACH, &more) >= MOST);
    CHECK(limit(MOST, 1) == 0);
    errno = 0;
    CHECK(malloc(any(EACH)) == NULL && errno == ENOMEM);
    give(more);
    void *one = malloc(EACH);
    CHECK(one != NULL);
    free(one);
    CHECK(limit(0, 1) == MOST);
    return 0;
}
