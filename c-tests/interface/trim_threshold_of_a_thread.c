/* Usage: trim_threshold_of_a_thread goes|stays
   What a thread frees at its heap's end beyond a trim threshold that was set by hand goes as it is freed;
   where another threshold was set it stays for an epoch, which does not end here. */
#include "check.h"
#include "robustness/resident.h"
#include <pthread.h>
#include <stdbool.h>

enum { BYTES = 60000, COUNT = 700 };

static void *work(void *goes)
{
    static unsigned char *all[COUNT];
    for (int i = 0; i < COUNT; i++)
        memset(all[i] = opaque(malloc(BYTES)), 1, BYTES);
    long before = resident_kib();
    for (int i = COUNT; i-- > 0;)
        free(all[i]);
    long after = resident_kib();
    CHECK((before - after > 36 << 10) == (goes != NULL), "(%ld, then %ld KiB)", before, after);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    CHECK(argc == 2 && mallopt(M_MMAP_THRESHOLD, 1 << 30) == 1);
    bool goes = strcmp(argv[1], "goes") == 0;
    CHECK(!goes || mallopt(M_TRIM_THRESHOLD, 1 << 20) == 1);
    CHECK(pthread_create(&thread, NULL, work, goes ? argv : NULL) == 0 && pthread_join(thread, NULL) == 0);
    return 0;
}
