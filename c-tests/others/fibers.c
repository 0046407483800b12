/* Contexts that go on in another thread each time they stop, while the other
   threads run: what they free there goes to that thread's cache, and what they
   take comes from it. Nothing of a thread stays with a context's stack. */
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <ucontext.h>

enum { THREADS = 4, FIBERS = 24, STEPS = 8000, STACK = 128 << 10, HELD = 20 };

struct fiber {
    ucontext_t own, *home;
    struct fiber *next;
    unsigned number, finished;
};

/* For each thread the fibers that go on there; the lock guards all of it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct fiber fibers[FIBERS], *waiting[THREADS];
static int unfinished = FIBERS;

static void stop(struct fiber *f) { CHECK(swapcontext(&f->own, f->home) == 0); }

static void work(int number)
{
    struct fiber *f = &fibers[number];
    unsigned char *held[HELD] = {0};
    size_t sizes[HELD] = {0};
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned i = step % HELD;
        if (held[i] != NULL) {
            CHECK(held[i][0] == f->number + i && held[i][sizes[i] - 1] == f->number + i);
            free(held[i]);
        }
        stop(f);
        sizes[i] = 16 + (step % 7) * 16;
        held[i] = malloc(sizes[i]);
        CHECK(held[i] != NULL);
        memset(held[i], (int)(f->number + i), sizes[i]);
    }
    for (unsigned i = 0; i < HELD; i++)
        free(held[i]);
    f->finished = 1;
    stop(f);
}

static void *run(void *which)
{
    unsigned me = (unsigned)(uintptr_t)which;
    ucontext_t home;
    for (;;) {
        pthread_mutex_lock(&lock);
        struct fiber *f = waiting[me];
        if (f != NULL)
            waiting[me] = f->next;
        int left = unfinished;
        pthread_mutex_unlock(&lock);
        if (left == 0)
            return NULL;
        if (f == NULL) {
            sched_yield();
            continue;
        }
        f->home = &home;
        CHECK(swapcontext(&home, &f->own) == 0);
        unsigned to = (me + 1) % THREADS;
        pthread_mutex_lock(&lock);
        if (f->finished)
            unfinished--;
        else {
            f->next = waiting[to];
            waiting[to] = f;
        }
        pthread_mutex_unlock(&lock);
    }
}

int main(void)
{
    for (unsigned i = 0; i < FIBERS; i++) {
        struct fiber *f = &fibers[i];
        CHECK(getcontext(&f->own) == 0);
        f->number = i;
        f->own.uc_stack.ss_sp = malloc(STACK);
        f->own.uc_stack.ss_size = STACK;
        CHECK(f->own.uc_stack.ss_sp != NULL);
        makecontext(&f->own, (void (*)(void))work, 1, (int)i);
        f->next = waiting[i % THREADS];
        waiting[i % THREADS] = f;
    }
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, run, (void *)(uintptr_t)i) == 0);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (unsigned i = 0; i < FIBERS; i++)
        free(fibers[i].own.uc_stack.ss_sp);
    return 0;
}
