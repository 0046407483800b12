/* Usage: top_pad_heaps PAD
   A thread's heap grows and is trimmed in turns, where each growth asks for PAD bytes more; then the
   main heap, where the kernel refuses them. What there would be beyond the need is no reason to begin
   another heap. */
#include "check.h"
#include <pthread.h>
#include <sys/resource.h>

enum { ROUNDS = 40, BLOCKS = 20, BYTES = 20480 };

/* Bytes of addresses that the process has. */
static size_t addresses(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f != NULL && fscanf(f, "%zu", &pages) == 1);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void *grows(void *unused)
{
    size_t first = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < BLOCKS; i++)
            CHECK(opaque(malloc(BYTES)) != NULL);
        malloc_trim(0);
        if (round == 0)
            first = addresses();
    }
    size_t more = addresses() - first;
    CHECK(more < (size_t)100 << 20, "(%zu MiB more)", more >> 20);
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    CHECK(argc == 2 && mallopt(M_TOP_PAD, atoi(argv[1])) == 1);
    CHECK(pthread_create(&thread, NULL, grows, NULL) == 0 && pthread_join(thread, NULL) == 0);
    struct rlimit data;
    CHECK(getrlimit(RLIMIT_DATA, &data) == 0);
    data.rlim_cur = (rlim_t)256 << 20;
    CHECK(setrlimit(RLIMIT_DATA, &data) == 0);
    char *before = sbrk(0);
    for (int i = 0; i < ROUNDS * BLOCKS; i++)
        CHECK(opaque(malloc(BYTES)) != NULL);
    CHECK((char *)sbrk(0) >= before + (size_t)ROUNDS * BLOCKS * BYTES / 2);
    return 0;
}
