/* What a thread frees at its heap's end beyond a threshold that was set by hand goes as it is freed. */
#include "check.h"
#include "robustness/resident.h"
#include <pthread.h>

enum { BYTES = 60000, COUNT = 700 };

static void *work(void *unused)
{
    static unsigned char *all[COUNT];
    for (int i = 0; i < COUNT; i++)
        memset(all[i] = opaque(malloc(BYTES)), 1, BYTES);
    long before = resident_kib();
    for (int i = COUNT; i-- > 0;)
        free(all[i]);
    long after = resident_kib();
    CHECK(before - after > 36 << 10, "(%ld, then %ld KiB)", before, after);
    return unused;
}

int main(void)
{
    pthread_t thread;
    CHECK(mallopt(M_MMAP_THRESHOLD, 1 << 30) == 1 && mallopt(M_TRIM_THRESHOLD, 1 << 20) == 1);
    CHECK(pthread_create(&thread, NULL, work, NULL) == 0 && pthread_join(thread, NULL) == 0);
    return 0;
}
