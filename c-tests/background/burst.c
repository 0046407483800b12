/* 256 MiB come and go, but for a tenth that stays, and then the program does
   nothing at all: what it holds is soon near what is live. Arguments: how many
   threads do it (0: the main thread, beside one that never allocates), and the
   objects' size (0: many sizes). */
#include "background/background.h"

enum { TOTAL = 256 << 20, SHARE = 10 };

static size_t size_of_objects;
static pthread_barrier_t all;

static size_t size_of(unsigned i)
{
    static const size_t some[] = { 24, 100, 256, 700, 2000, 5000, 20000, 70000 };
    return size_of_objects != 0 ? size_of_objects : some[i * 2654435761u >> 29];
}

/* Takes so many bytes, and gives all back but a part; what stays. */
static size_t burst(size_t bytes)
{
    size_t live = 0, taken = 0;
    void **last = NULL;
    unsigned i = 0;
    /* What stays lies together, as what a program has loaded does. */
    while (live < bytes / SHARE) {
        size_t n = size_of(i++);
        char *p = malloc(n);
        CHECK(p != NULL);
        memset(p, 1, n);
        live += malloc_usable_size(p);
    }
    while (taken < bytes - live) {
        size_t n = size_of(i++);
        void **p = malloc(n);
        CHECK(p != NULL);
        memset(p, 1, n);
        *p = last;
        last = p;
        taken += n;
    }
    while (last != NULL) {
        void **next = *last;
        free(last);
        last = next;
    }
    return live;
}

static void *take_part(void *argument)
{
    size_t *bytes = argument;
    *bytes = burst(*bytes);
    pthread_barrier_wait(&all);
    pause();
    return NULL;
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    unsigned count = atoi(argv[1]);
    size_of_objects = atoi(argv[2]);
    long before = resident_kib();
    size_t live = 0, parts[64];
    if (count == 0) {
        keep_company();
        live = burst(TOTAL);
    } else {
        pthread_barrier_init(&all, NULL, count + 1);
        for (unsigned i = 0; i < count; i++) {
            pthread_t thread;
            parts[i] = TOTAL / count;
            CHECK(pthread_create(&thread, NULL, take_part, &parts[i]) == 0);
        }
        pthread_barrier_wait(&all);
        for (unsigned i = 0; i < count; i++)
            live += parts[i];
    }
    long most = before + (long)(live / 1024) / 10 * 11 + 4096;
    if (getenv("SHOW") != NULL) {
        for (int i = 0; i < 8; i++) {
            dprintf(2, "%d ms: %ld of %ld KiB\n", i * 250, resident_kib(), most);
            usleep(250000);
        }
    }
    WAIT_FOR(resident_kib() <= most, PATIENCE, "%ld of %ld KiB are resident", resident_kib(), most);
    return 0;
}
