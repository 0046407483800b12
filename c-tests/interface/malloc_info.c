/* Writes malloc_info of a heap with live, free and mapped memory in two
   threads; the test reads it. */
#include "check.h"
#include <pthread.h>

static void *work(void *unused)
{
    enum { COUNT = 3000 };
    char *p[COUNT];
    for (int i = 0; i < COUNT; i++)
        p[i] = malloc(16 + i % 2000);
    for (int i = 0; i < COUNT; i += 2)
        free(p[i]);
    return unused;
}

int main(void)
{
    CHECK(mallopt(M_MMAP_THRESHOLD, 128 * 1024) == 1);
    void *mapped[2] = { malloc(1 << 20), malloc(2 << 20) };
    CHECK(mapped[0] != NULL && mapped[1] != NULL);
    work(NULL);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, work, NULL) == 0);
    pthread_join(thread, NULL);
    CHECK(malloc_info(0, stdout) == 0);
    return 0;
}
