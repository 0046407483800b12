/* Contexts that go on in another thread each time they stop: what they free
   there is the next that this thread takes, so nothing of the thread before
   stays with a context's stack. First one in turns, then many at a time. */
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <ucontext.h>

enum { THREADS = 4, FIBERS = 24, STEPS = 2000, STACK = 128 << 10, HELD = 20 };

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

static struct fiber courier;
static void *carried;

static void carry(void)
{
    for (;;) {
        carried = malloc(300);
        stop(&courier);
        free(carried);
        stop(&courier);
    }
}

static void go_on(void)
{
    ucontext_t home;
    courier.home = &home;
    CHECK(swapcontext(&home, &courier.own) == 0);
}

/* The context frees here what it took in the thread before. */
static void *take_over(void *unused)
{
    free(malloc(300));
    void *before = carried;
    go_on();
    void *next = malloc(300);
    CHECK(next == before);
    free(next);
    return unused;
}

static void in_turns(void)
{
    CHECK(getcontext(&courier.own) == 0);
    courier.own.uc_stack.ss_sp = malloc(STACK);
    courier.own.uc_stack.ss_size = STACK;
    CHECK(courier.own.uc_stack.ss_sp != NULL);
    makecontext(&courier.own, carry, 0);
    for (int round = 0; round < 20; round++) {
        pthread_t thread;
        go_on();
        CHECK(pthread_create(&thread, NULL, take_over, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
}

int main(void)
{
    in_turns();
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
