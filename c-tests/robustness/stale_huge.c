/* A thread's heap that was long once, with huge pages for its small chunks, is trimmed; what is asked
   for there later and stays untouched is not resident. */
#include "check.h"
#include "robustness/resident.h"
#include <pthread.h>

enum { SMALL = 20000, LARGE = 500, BYTES = 100000 };

static void *work(void *unused)
{
    static void *small[SMALL];
    for (int i = 0; i < SMALL; i++)
        memset(small[i] = opaque(malloc(2000)), 1, 2000);
    for (int i = 0; i < SMALL; i++)
        free(small[i]);
    malloc_trim(0);
    long before = resident_kib();
    for (int i = 0; i < LARGE; i++)
        CHECK(opaque(malloc(BYTES)) != NULL);
    long more = resident_kib() - before;
    CHECK(more < 8 << 10, "(%ld KiB more)", more);
    return unused;
}

int main(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, work, NULL) == 0 && pthread_join(thread, NULL) == 0);
    return 0;
}
