/* Memory runs out under RLIMIT_AS ("as") or RLIMIT_DATA ("data"): every entry
   point answers NULL with ENOMEM and changes nothing, and goes on after a free. */
#define _GNU_SOURCE
#include "check.h"
#include <malloc.h>
#include <pthread.h>

static struct rlimit before;
static int which = RLIMIT_AS;

static long kib_of(const char *name)
{
    char line[256];
    long kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            kib = atol(line + strlen(name));
    fclose(status);
    CHECK(kib >= 0);
    return kib;
}

/* Grants the process so much more than it has now. */
static void grant(long mebibytes)
{
    long now = kib_of(which == RLIMIT_AS ? "VmSize:" : "VmData:");
    struct rlimit limit = before;
    limit.rlim_cur = (rlim_t)now * 1024 + (rlim_t)mebibytes * 1024 * 1024;
    CHECK(setrlimit(which, &limit) == 0);
}

struct link {
    struct link *next;
    size_t size;
};

static long exhaust(size_t size, int alone)
{
    struct link *all = NULL;
    long count = 0;
    for (;;) {
        errno = 0;
        struct link *one = malloc(size);
        if (one == NULL)
            break;
        one->next = all;
        one->size = size;
        fill(one + 1, size - sizeof *one, (unsigned)count);
        all = one;
        count++;
    }
    CHECK(errno == ENOMEM);
    /* Other threads may free meanwhile, and then these could be served. */
    if (alone) {
        errno = 0;
        CHECK(calloc(1, 4 << 20) == NULL && errno == ENOMEM);
        errno = 0;
        CHECK(memalign(4096, 4 << 20) == NULL && errno == ENOMEM);
        void *untouched = &count;
        CHECK(posix_memalign(&untouched, 64, 64 << 20) == ENOMEM && untouched == &count);
        if (all != NULL) {
            errno = 0;
            CHECK(realloc(all, 64 << 20) == NULL && errno == ENOMEM);
            CHECK(all->size == size);
        }
    }
    for (long at = count; all != NULL;) {
        struct link *next = all->next;
        CHECK(is_filled(all + 1, all->size - sizeof *all, (unsigned)--at));
        free(all);
        all = next;
    }
    return count;
}

static void *exhaust_in_thread(void *unused)
{
    for (int round = 0; round < 20; round++)
        exhaust(40000, 0);
    return unused;
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    check_served();
    if (strcmp(argv[1], "data") == 0)
        which = RLIMIT_DATA;
    CHECK(getrlimit(which, &before) == 0);
    static const size_t sizes[] = {32, 100, 1000, 20000, 100000, 200000, 3000000};
    for (size_t at = 0; at < sizeof sizes / sizeof *sizes; at++) {
        /* Whatever is kept for reuse counts as had, so the grant begins above it. */
        CHECK(setrlimit(which, &before) == 0);
        malloc_trim(0);
        grant(24);
        long first = exhaust(sizes[at], 1);
        CHECK(first > 0);
        if (sizes[at] < 100000)
            CHECK((size_t)first * sizes[at] > (size_t)8 << 20);
        long second = exhaust(sizes[at], 1);
        CHECK(second >= first * 3 / 4);
        churn((unsigned)at, 100);
    }
    /* Threads meet the end at the same time; some may not even start. */
    pthread_t threads[4];
    int started = 0;
    CHECK(setrlimit(which, &before) == 0);
    pthread_attr_t small;
    CHECK(pthread_attr_init(&small) == 0);
    /* Where pages are larger libc asks for more. */
    long least = sysconf(_SC_THREAD_STACK_MIN);
    CHECK(pthread_attr_setstacksize(&small, least > 64 * 1024 ? (size_t)least : 64 * 1024) == 0);
    grant(24);
    for (int at = 0; at < 4; at++)
        if (pthread_create(&threads[started], &small, exhaust_in_thread, NULL) == 0)
            started++;
    CHECK(started > 0);
    for (int at = 0; at < started; at++)
        CHECK(pthread_join(threads[at], NULL) == 0);
    CHECK(setrlimit(which, &before) == 0);
    void *large = malloc((size_t)100 << 20);
    CHECK(large != NULL);
    free(large);
    churn(99, 10000);
    return 0;
}
