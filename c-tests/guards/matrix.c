/* Misuse of an object that is guarded: the first argument is the kind, the second the size, the third
   says whether another thread than the one that asked for the object misuses it ("other"). The code
   of each step lies in a section of its own, whose bounds the program prints, so that a frame can be
   told by its address. Each kind is tried until the object lies at the end of its slot at which the
   misuse leaves its pages. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steps.h"

static const char *kind;
static size_t size;
static int step;
static char *object;

STEP(take_step) static char *take(size_t n) {
    char *p = malloc(n);
    memset(p, 7, n);
    return p;
}

STEP(drop_step) static void drop(char *p) {
    free(p);
    __asm__ volatile("" ::: "memory");
}

STEP(touch_step) static int touch(volatile char *p, int write) {
    if (write) {
        *p = 1;
    }
    int got = *p;
    __asm__ volatile("" ::: "memory");
    return got;
}

/* The misuse of the object, or its second half. */
static void *misuse(void *unused) {
    (void)unused;
    int write = strstr(kind, "write") != NULL;
    /* A read of what an alignment leaves behind an object is none that leaves its page. */
    size_t behind = write ? size : (size + 15) / 16 * 16;
    if (strstr(kind, "overflow")) {
        touch(object + behind, write);
    } else if (strstr(kind, "underflow")) {
        touch(object - 1, write);
    } else if (strstr(kind, "after")) {
        touch(object + size / 2, write);
    } else if (!strcmp(kind, "double")) {
        drop(object);
    } else if (!strcmp(kind, "inner")) {
        drop(object + 16);
    }
    return NULL;
}

static void *asked(void *unused) {
    object = take(size);
    return unused;
}

static void by(int other, void *(*what)(void *)) {
    pthread_t thread;
    if (other && pthread_create(&thread, NULL, what, NULL) == 0) {
        pthread_join(thread, NULL);
    } else {
        what(NULL);
    }
}

int main(int count, char **arguments) {
    if (count != 4) {
        return 2;
    }
    kind = arguments[1];
    size = strtoul(arguments[2], NULL, 10);
    int other = !strcmp(arguments[3], "other");
    BOUNDS(take_step);
    BOUNDS(drop_step);
    BOUNDS(touch_step);
    fflush(stdout);
    /* Neighbours, so that the nearest object has to be found. */
    for (int i = 0; i < 30; i++) {
        take(3000);
    }
    for (step = 0; step < 64; step++) {
        asked(NULL);
        if (strstr(kind, "after") || !strcmp(kind, "double")) {
            drop(object);
        }
        by(other, misuse);
        if (strstr(kind, "after") || !strcmp(kind, "double")) {
            return 3;
        }
        drop(object);
    }
    return 3;
}
