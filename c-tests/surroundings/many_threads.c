/* 100,000 threads that come and go, some of which leave memory to others: what
   is resident after the last is what was resident after the first thousands. */
#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>

enum { THREADS = 100000, AT_ONCE = 8, SETTLED = 20000, LEFT = 64, GROWTH_KIB = 2048 };

static void *left[LEFT];

static void *live(void *argument)
{
    uintptr_t number = (uintptr_t)argument;
    void *own[20];
    for (int at = 0; at < 20; at++) {
        own[at] = malloc(16 + (number * 31 + (uintptr_t)at * 67) % 900);
        CHECK(own[at] != NULL);
        memset(own[at], 1, 16);
    }
    for (int at = 0; at < 19; at++)
        free(own[at]);
    return own[19];
}

int main(void)
{
    check_served();
    pthread_attr_t small;
    CHECK(pthread_attr_init(&small) == 0);
    /* Where pages are larger libc asks for more. */
    long least = sysconf(_SC_THREAD_STACK_MIN);
    CHECK(pthread_attr_setstacksize(&small, least > 64 * 1024 ? (size_t)least : 64 * 1024) == 0);
    long settled = 0;
    for (int count = 0; count < THREADS; count += AT_ONCE) {
        pthread_t threads[AT_ONCE];
        for (int at = 0; at < AT_ONCE; at++)
            CHECK(pthread_create(&threads[at], &small, live, (void *)(uintptr_t)(count + at)) == 0);
        for (int at = 0; at < AT_ONCE; at++) {
            void *given;
            CHECK(pthread_join(threads[at], &given) == 0);
            CHECK(given != NULL);
            int slot = (count + at) % LEFT;
            free(left[slot]);
            left[slot] = given;
        }
        if (count == SETTLED)
            settled = resident_kib();
    }
    long resident = resident_kib();
    CHECK(settled > 0);
    if (resident > settled + GROWTH_KIB) {
        printf("resident after %d threads %ld KiB, after %d %ld KiB\n", SETTLED, settled, THREADS, resident);
        return 1;
    }
    for (int at = 0; at < LEFT; at++)
        free(left[at]);
    return 0;
}
