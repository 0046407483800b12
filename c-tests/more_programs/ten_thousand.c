/* Ten thousand threads are alive at the same time; each has objects of its own and takes one of
   another's to its end. */
#include "check.h"
#include <pthread.h>
#include <stdio.h>

enum { THREADS = 10000, OBJECTS = 24, CANNOT = 77 };

static pthread_barrier_t all;
static unsigned char *handed[THREADS];

static void *live(void *argument)
{
    uintptr_t number = (uintptr_t)argument;
    unsigned char *own[OBJECTS];
    uintptr_t sum = 0;
    for (unsigned at = 0; at < OBJECTS; at++) {
        CHECK((own[at] = malloc(16 + number * at % 900)) != NULL);
        memset(own[at], (int)(number + at), 16);
    }
    handed[number] = own[0];
    pthread_barrier_wait(&all);
    unsigned char *other = handed[(number + 1) % THREADS];
    CHECK(other[15] == (unsigned char)(number + 1 == THREADS ? 0 : number + 1));
    free(other);
    for (unsigned at = 1; at < OBJECTS; at++) {
        for (int byte = 0; byte < 16; byte++)
            CHECK(own[at][byte] == (unsigned char)(number + at));
        sum += own[at][0];
        free(own[at]);
    }
    return (void *)sum;
}

int main(void)
{
    static pthread_t threads[THREADS];
    pthread_attr_t small;
    CHECK(pthread_attr_init(&small) == 0 && pthread_attr_setstacksize(&small, 64 << 10) == 0);
    CHECK(pthread_barrier_init(&all, NULL, THREADS) == 0);
    for (uintptr_t at = 0; at < THREADS; at++)
        if (pthread_create(&threads[at], &small, live, (void *)at) != 0)
            _exit(CANNOT);
    uintptr_t sum = 0;
    for (int at = 0; at < THREADS; at++) {
        void *one;
        CHECK(pthread_join(threads[at], &one) == 0);
        sum += (uintptr_t)one;
    }
    printf("%ju\n", (uintmax_t)sum);
    return 0;
}
