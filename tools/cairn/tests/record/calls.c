/* Allocation calls that a test knows, by the name of what is done. */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Sizes that nobody else asks for. */
enum { MALLOC = 10007, CALLOC = 10009, ALIGNED = 10037, GROWN = 400009, SHRUNK = 10039, LARGE = 8 << 20 };

static void must(int what) {
    if (!what)
        _exit(9);
}

static void each_kind(void) {
    void *objects[6] = {malloc(MALLOC), calloc(CALLOC, 1), aligned_alloc(256, ALIGNED)};
    must(posix_memalign(&objects[3], 4096, ALIGNED) == 0);
    objects[4] = realloc(NULL, MALLOC);
    objects[4] = realloc(objects[4], GROWN);
    objects[4] = realloc(objects[4], SHRUNK);
    objects[5] = reallocarray(NULL, MALLOC, 1);
    must(realloc(objects[5], (size_t)PTRDIFF_MAX - 4096) == NULL);
    must(malloc((size_t)PTRDIFF_MAX - 8192) == NULL);
    for (int at = 0; at < 6; at++)
        free(objects[at]);
    free(NULL);
}

/* A quarter of it is used. */
static void large(void) {
    char *object = malloc(LARGE);
    memset(object, 1, LARGE / 4);
    free(object);
    object = malloc(LARGE);
    memset(object, 1, LARGE / 2);
}

enum { OBJECTS = 20000, PLACES = 8 };
static _Atomic(void *) places[PLACES];

static void *produce(void *unused) {
    (void)unused;
    for (int at = 0; at < OBJECTS; at++) {
        void *object = malloc(MALLOC);
        while (atomic_load(&places[at % PLACES]) != NULL)
            sched_yield();
        atomic_store(&places[at % PLACES], object);
    }
    return NULL;
}

/* What one thread allocates the other frees, and both get the same addresses again and again. */
static void pass_on(void) {
    pthread_t producer;
    must(pthread_create(&producer, NULL, produce, NULL) == 0);
    for (int at = 0; at < OBJECTS; at++) {
        void *object;
        while ((object = atomic_exchange(&places[at % PLACES], NULL)) == NULL)
            sched_yield();
        free(object);
        free(malloc(MALLOC));
    }
    pthread_join(producer, NULL);
}

enum { HOPS = 2000, THERE = 1001, BACK = 1003 };
static _Atomic int turn;

/* Takes what the other thread brought, and brings as much: the same few addresses go to and fro. */
static void *exchange(void *own) {
    int is_second = own != NULL;
    for (int hop = 0; hop < HOPS; hop++) {
        while (atomic_load(&turn) % 2 != is_second)
            sched_yield();
        for (int at = 0; at < PLACES; at++) {
            free(places[at]);
            places[at] = malloc(is_second ? BACK : THERE);
        }
        atomic_fetch_add(&turn, 1);
    }
    return NULL;
}

static void to_and_fro(void) {
    pthread_t other;
    must(pthread_create(&other, NULL, exchange, &other) == 0);
    exchange(NULL);
    pthread_join(other, NULL);
    for (int at = 0; at < PLACES; at++)
        free(places[at]);
}

static void *one_object(void *unused) {
    (void)unused;
    return malloc(MALLOC);
}

/* Threads that come one after another. */
static void sequence(void) {
    for (int at = 0; at < 200; at++) {
        pthread_t thread;
        void *object;
        must(pthread_create(&thread, NULL, one_object, NULL) == 0);
        pthread_join(thread, &object);
        free(object);
    }
}

static void fork_off(void) {
    void *before = malloc(MALLOC);
    pid_t child = fork();
    if (child == 0) {
        free(before);
        free(malloc(CALLOC));
        free(malloc(CALLOC));
        exit(0);
    }
    int status;
    must(waitpid(child, &status, 0) == child && status == 0);
    free(malloc(ALIGNED));
}

int main(int count, char **words) {
    const char *what = count > 1 ? words[1] : "";
    if (strcmp(what, "kinds") == 0) {
        each_kind();
    } else if (strcmp(what, "large") == 0) {
        large();
    } else if (strcmp(what, "pass") == 0) {
        pass_on();
    } else if (strcmp(what, "exchange") == 0) {
        to_and_fro();
    } else if (strcmp(what, "sequence") == 0) {
        sequence();
    } else if (strcmp(what, "fork") == 0) {
        fork_off();
    } else if (strcmp(what, "exec") == 0) {
        free(malloc(MALLOC));
        execl(words[0], words[0], "kinds", (char *)NULL);
        return 9;
    } else if (strcmp(what, "killed") == 0) {
        for (int at = 0; at < OBJECTS; at++)
            free(malloc(MALLOC));
        raise(SIGKILL);
    } else if (strcmp(what, "many") == 0) {
        /* Sizes in no order, so that a recording has something to keep. */
        unsigned seed = 1;
        for (int at = 0; at < 40 * OBJECTS; at++) {
            seed = seed * 1103515245u + 12345u;
            free(malloc(16 + (seed >> 20)));
        }
        return 7;
    } else {
        return 3;
    }
    return 0;
}
