/* What a thread that has ended left behind can be resized and freed by another,
   in every regime of sizes, and so can what the first one gave to the second. */
#include "check.h"
#include <pthread.h>

static const size_t sizes[] = {1, 24, 100, 1000, 5000, 40000, 200000, 3000000};
enum { SIZES = sizeof sizes / sizeof *sizes };
static unsigned char *objects[SIZES];

static void *make(void *unused)
{
    for (int i = 0; i < SIZES; i++) {
        objects[i] = malloc(sizes[i]);
        CHECK(objects[i] != NULL);
        memset(objects[i], 'a' + i, sizes[i]);
    }
    return unused;
}

static void *resize(void *unused)
{
    for (int i = 0; i < SIZES; i++)
        for (int step = 0; step < 4; step++) {
            size_t n = step % 2 == 0 ? sizes[i] * 3 : sizes[i];
            unsigned char *p = realloc(objects[i], n);
            CHECK(p != NULL && malloc_usable_size(p) >= n, "(%zu)", n);
            for (size_t at = 0; at < sizes[i]; at += sizes[i] / 97 + 1)
                CHECK(p[at] == 'a' + i, "(%zu of %zu)", at, sizes[i]);
            p[n - 1] = (unsigned char)('a' + i);
            objects[i] = p;
        }
    return unused;
}

static void in_a_thread(void *(*what)(void *))
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, what, NULL) == 0 && pthread_join(thread, NULL) == 0);
}

static void free_all(void)
{
    for (int i = 0; i < SIZES; i++)
        free(objects[i]);
}

int main(void)
{
    for (int round = 0; round < 50; round++) {
        in_a_thread(make);
        resize(NULL);
        free_all();
        make(NULL);
        in_a_thread(resize);
        free_all();
    }
    return 0;
}
