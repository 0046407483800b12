/* 480 MiB are live at the peak, after phases of other sizes that leave what an
   allocator may keep: a thread that waits, small objects that go, holes between
   what stays. */
#include "background/background.h"

enum { PEAK = 480 << 20, PHASE = 400 << 20 };

/* Takes so many bytes in objects of this size, all of them touched. */
static void **take(size_t bytes, size_t n)
{
    void **last = NULL;
    for (size_t taken = 0; taken + n <= bytes; taken += n) {
        void **p = malloc(n);
        CHECK(p != NULL, "after %zu of %zu bytes", taken, n);
        memset(p, 1, n);
        *p = last;
        last = p;
    }
    return last;
}

static void give(void **last)
{
    while (last != NULL) {
        void **next = *last;
        free(last);
        last = next;
    }
}

/* Every so manieth stays: what is left of the others are holes. */
static void **thin(void **last, int every)
{
    void **kept = NULL;
    for (int i = 0; last != NULL; i++) {
        void **next = *last;
        if (i % every == 0) {
            *last = kept;
            kept = last;
        } else
            free(last);
        last = next;
    }
    return kept;
}

static void *use_and_wait(void *unused)
{
    give(take(PHASE / 4, 3000));
    pthread_barrier_wait(&turn);
    pause();
    return unused;
}

int main(void)
{
    pthread_t thread;
    pthread_barrier_init(&turn, NULL, 2);
    /* A thread had much, and waits for ever after. */
    CHECK(pthread_create(&thread, NULL, use_and_wait, NULL) == 0);
    pthread_barrier_wait(&turn);
    /* Small objects; one in many stays. */
    void **rest = thin(take(PHASE, 200), 4096);
    /* Buffers, of which one in a hundred stays. */
    void **more = thin(take(PHASE, 16392), 100);
    void **live = take(PEAK - PHASE / 4096 - PHASE / 100, 1000);
    give(live);
    give(rest);
    give(more);
    return 0;
}
