/* Threads free all that they had and wait, while the main thread goes on with
   little work: within a second and a half what they had is the system's again,
   and what the allocator knew of it. In two arenas, since each keeps a little. */
#include "check.h"
#include "robustness/resident.h"
#include <pthread.h>

enum { THREADS = 16, BYTES = 1000, COUNT = (40 << 20) / BYTES, MOST_KIB = 9 << 10, MOST_OF_LARGE_PAGES_KIB = 16 << 10 };

static pthread_barrier_t turn;

static void *fill_and_free(void *unused)
{
    void **last = NULL;
    for (int i = 0; i < COUNT; i++) {
        void **new = malloc(BYTES);
        CHECK(new != NULL);
        memset(new, 1, BYTES);
        *new = last;
        last = new;
    }
    pthread_barrier_wait(&turn);
    while (last != NULL) {
        void **next = *last;
        free(last);
        last = next;
    }
    pthread_barrier_wait(&turn);
    pthread_barrier_wait(&turn);
    return unused;
}

int main(void)
{
    pthread_t threads[THREADS];
    mallopt(M_ARENA_MAX, 2);
    pthread_barrier_init(&turn, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, fill_and_free, NULL) == 0);
    pthread_barrier_wait(&turn);
    pthread_barrier_wait(&turn);
    for (int i = 0; i < 1500; i++) {
        usleep(1000);
        char *p = opaque(malloc(40000));
        p[0] = 1;
        free(p);
    }
    long resident = resident_kib(), most = sysconf(_SC_PAGESIZE) == 4096 ? MOST_KIB : MOST_OF_LARGE_PAGES_KIB;
    CHECK(resident <= most, "%ld KiB are resident", resident);
    pthread_barrier_wait(&turn);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}
