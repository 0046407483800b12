/* vm.max_map_count is used up but for a few: none left, then two, four and so
   on, each in a process of its own, where another thread and then the main one
   do the same. Whatever cannot be had is NULL with ENOMEM, what was given out
   stays, cleared memory is zero, and with mappings to be had again all is served. */
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { PAGES = 400000, STEPS = 6, OBJECTS = 120 };

struct work {
    unsigned char *held[OBJECTS];
    size_t sizes[OBJECTS];
    int strict, refused;
};

static pthread_barrier_t turn;
static struct work works[2];

static size_t size_of(int i)
{
    static const size_t sizes[] = {24, 100, 700, 5000, 60000, 140000, 300000, 1200000};
    return sizes[i % 8] + (size_t)i * 8;
}

static int had(struct work *work, void *p)
{
    if (p == NULL) {
        CHECK(errno == ENOMEM, "errno %d", errno);
        CHECK(!work->strict, "no memory though mappings are to be had");
        work->refused++;
    }
    errno = 0;
    return p != NULL;
}

static void put(struct work *work, int i)
{
    size_t n = size_of(i);
    unsigned char *p;
    if (i % 3 == 0) {
        p = calloc(1, n);
        for (size_t at = 0; p != NULL && at < n; at += 61)
            CHECK(p[at] == 0, "byte %zu of %zu is not zero", at, n);
    } else {
        p = i % 7 == 0 ? memalign(1 << 20, n) : malloc(n);
    }
    if (had(work, p)) {
        memset(p, i % 255 + 1, n);
        work->held[i] = p;
        work->sizes[i] = n;
    }
}

static void take(struct work *work, int i)
{
    for (size_t at = 0; at < work->sizes[i]; at += 53)
        CHECK(work->held[i][at] == (unsigned char)(i % 255 + 1), "object %d changed", i);
    free(work->held[i]);
    work->held[i] = NULL;
    work->sizes[i] = 0;
}

static void go(struct work *work)
{
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < OBJECTS; i++)
            if (work->held[i] == NULL)
                put(work, i);
        for (int i = round; i < OBJECTS; i += 2)
            take(work, i);
        for (int i = 5; i < OBJECTS; i += 8) {
            if (work->held[i] == NULL)
                continue;
            size_t n = size_of(i) * 2;
            void *p = realloc(work->held[i], n);
            if (had(work, p)) {
                work->held[i] = p;
                memset(p, i % 255 + 1, n);
                work->sizes[i] = n;
            }
        }
        malloc_trim(0);
    }
    for (int i = 0; i < OBJECTS; i++)
        take(work, i);
}

static void *in_thread(void *unused)
{
    /* Refused, then served. */
    for (int i = 0; i < 2; i++) {
        pthread_barrier_wait(&turn);
        works[1].strict = i;
        go(&works[1]);
        pthread_barrier_wait(&turn);
    }
    return unused;
}

static void with_left(int steps)
{
    pthread_t thread;
    pthread_barrier_init(&turn, NULL, 2);
    CHECK(pthread_create(&thread, NULL, in_thread, NULL) == 0);
    size_t page = (size_t)sysconf(_SC_PAGESIZE), at = 1;
    char *area = mmap(NULL, PAGES * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(area != MAP_FAILED);
    /* Each page that differs from its neighbours costs two mappings. */
    while (at < PAGES && mprotect(area + at * page, page, PROT_READ) == 0)
        at += 2;
    if (at >= PAGES)
        _exit(77);
    for (int i = 1; i <= steps; i++)
        CHECK(mprotect(area + (at - 2 * (size_t)i) * page, page, PROT_NONE) == 0);
    for (int i = 0; i < 2; i++) {
        pthread_barrier_wait(&turn);
        pthread_barrier_wait(&turn);
        works[0].strict = i;
        go(&works[0]);
        if (i == 0)
            CHECK(munmap(area, PAGES * page) == 0);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(steps != 0 || works[0].refused + works[1].refused != 0, "nothing was refused");
}

int main(void)
{
    for (int steps = 0; steps < STEPS; steps++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            with_left(steps);
            _exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        if (status != 0)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 3;
    }
    return 0;
}
