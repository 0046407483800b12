/* The longest call while memory goes back: HOLES of twice as many chunks of 12,000
 * bytes are freed, every second one, while another thread asks for 40,000 bytes now
 * and then; then the first one does. Writes microseconds of the calling thread's
 * own CPU time: of either thread's calls the longest. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include "bench.h"

enum { BYTES = 12000, ASKED = 40000, PAGE = 4096 };

static atomic_int stop;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void rest(long microseconds)
{
    nanosleep(&(struct timespec){.tv_nsec = microseconds * 1000}, NULL);
}

static void note(double *longest, double began)
{
    double took = now() - began;
    if (took > *longest)
        *longest = took;
}

static void pair(double *longest)
{
    double began = now();
    char *p = must(malloc(ASKED));
    note(longest, began);
    p[0] = 1;
    began = now();
    free(p);
    note(longest, began);
}

static void *ask(void *longest)
{
    while (!atomic_load(&stop)) {
        pair(longest);
        rest(200);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    size_t holes = argument(argc, argv, 1, 40000);
    char **all = must(malloc(2 * holes * sizeof *all));
    for (size_t i = 0; i < 2 * holes; i++) {
        all[i] = must(malloc(BYTES));
        for (size_t at = 0; at < BYTES; at += PAGE)
            all[i][at] = 1;
    }
    static double own, others;
    pthread_t other;
    if (pthread_create(&other, NULL, ask, &others))
        return 1;
    rest(50000);
    for (size_t i = 0; i < 2 * holes; i += 2) {
        double began = now();
        free(all[i]);
        note(&own, began);
    }
    for (int i = 0; i < 40; i++) {
        rest(3000);
        pair(&own);
    }
    atomic_store(&stop, 1);
    pthread_join(other, NULL);
    printf("%.1f\n", own > others ? own : others);
    return 0;
}
