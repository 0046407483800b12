/* Contexts that go on in another thread each time they stop: what they free
   there goes to that thread's cache, and what they take comes from it. */
#include "check.h"
#include <pthread.h>
#include <semaphore.h>
#include <ucontext.h>

enum { THREADS = 3, FIBERS = 12, STEPS = 400, STACK = 64 << 10, HELD = 20 };

struct fiber {
    ucontext_t own, *home;
    unsigned number, steps;
};

static struct fiber fibers[FIBERS];
static sem_t turn[THREADS];
static int unfinished = FIBERS;

static void stop(struct fiber *f) { CHECK(swapcontext(&f->own, f->home) == 0); }

static void work(int number)
{
    struct fiber *f = &fibers[number];
    unsigned char *held[HELD] = {0};
    size_t sizes[HELD] = {0};
    for (f->steps = 0; f->steps < STEPS; f->steps++) {
        unsigned i = f->steps % HELD;
        if (held[i] != NULL) {
            CHECK(held[i][0] == f->number + i && held[i][sizes[i] - 1] == f->number + i);
            free(held[i]);
        }
        stop(f);
        sizes[i] = 16 + (f->steps * 37 + f->number * 101) % 1500;
        held[i] = malloc(sizes[i]);
        CHECK(held[i] != NULL);
        memset(held[i], (int)(f->number + i), sizes[i]);
    }
    for (unsigned i = 0; i < HELD; i++)
        free(held[i]);
    unfinished--;
    for (;;)
        stop(f);
}

/* All fibers go through all threads; one thread runs at a time. */
static void *run(void *which)
{
    unsigned me = (unsigned)(uintptr_t)which;
    ucontext_t home;
    for (int left = 1; left;) {
        while (sem_wait(&turn[me]) != 0)
            ;
        for (unsigned i = 0; i < FIBERS; i++) {
            fibers[i].home = &home;
            CHECK(swapcontext(&home, &fibers[i].own) == 0);
        }
        left = unfinished > 0;
        CHECK(sem_post(&turn[(me + 1) % THREADS]) == 0);
    }
    return NULL;
}

int main(void)
{
    for (unsigned i = 0; i < FIBERS; i++) {
        CHECK(getcontext(&fibers[i].own) == 0);
        fibers[i].number = i;
        fibers[i].own.uc_stack.ss_sp = malloc(STACK);
        fibers[i].own.uc_stack.ss_size = STACK;
        CHECK(fibers[i].own.uc_stack.ss_sp != NULL);
        makecontext(&fibers[i].own, (void (*)(void))work, 1, (int)i);
    }
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(sem_init(&turn[i], 0, i == 0) == 0);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, run, (void *)(uintptr_t)i) == 0);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(unfinished == 0);
    for (unsigned i = 0; i < FIBERS; i++)
        free(fibers[i].own.uc_stack.ss_sp);
    return 0;
}
