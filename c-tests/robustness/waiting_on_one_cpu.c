/* One CPU and one arena: a thread uses it all the time, and is interrupted wherever it is, mostly
   inside. Another asks each millisecond, at the same priority or at a real-time one ("fifo"), and
   has to sleep once or twice, until the holder is out. Above the holder's priority a thread that
   spins or yields would wait for ever; one that naps would nap until it meets the lock free. */
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>

enum { ROUNDS = 200, CANNOT = 77 };

static atomic_int done;

static void *use(void *unused)
{
    void *kept[64] = {0};
    for (unsigned long z = 5; !atomic_load(&done);) {
        z ^= z << 13, z ^= z >> 7, z ^= z << 17;
        free(kept[z & 63]);
        CHECK((kept[z & 63] = malloc(33000 + (z >> 20) % 16000)) != NULL);
    }
    for (int at = 0; at < 64; at++)
        free(kept[at]);
    return unused;
}

int main(int argc, char **argv)
{
    CHECK(argc == 2 && mallopt(M_ARENA_MAX, 1) == 1);
    cpu_set_t allowed, one;
    CPU_ZERO(&one);
    CHECK(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    for (int cpu = 0; CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &allowed))
            CPU_SET(cpu, &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    pthread_t other;
    CHECK(pthread_create(&other, NULL, use, NULL) == 0);
    struct sched_param first = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};
    int fifo = strcmp(argv[1], "fifo") == 0;
    if (fifo && pthread_setschedparam(pthread_self(), SCHED_FIFO, &first) != 0)
        _exit(CANNOT);
    struct rusage before, after;
    CHECK(getrusage(RUSAGE_THREAD, &before) == 0);
    for (int round = 0; round < ROUNDS; round++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        void *own[4];
        for (int at = 0; at < 4; at++)
            CHECK((own[at] = malloc(33000 + (size_t)at * 4000)) != NULL);
        for (int at = 0; at < 4; at++)
            free(own[at]);
    }
    CHECK(getrusage(RUSAGE_THREAD, &after) == 0);
    atomic_store(&done, 1);
    CHECK(pthread_join(other, NULL) == 0);
    long sleeps = after.ru_nvcsw - before.ru_nvcsw - ROUNDS;
    CHECK(sleeps <= 2 * ROUNDS, "%ld sleeps in %d rounds", sleeps, ROUNDS);
    return 0;
}
