/* fork where one would not expect it: in a constructor, in destructors of
   thread-specific data of thousands of threads that come and go, in handlers of
   signals that interrupt other code, in functions that exit calls; while other
   threads allocate. Every child allocates at once, frees what its parent had,
   starts a thread, forks again, and leaves by exit, whose functions fork too. */
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

enum { THREADS = 3000, AT_ONCE = 6, SHARED = 64 };

static pthread_key_t key;
static _Atomic(char *) shared[SHARED];
static atomic_int stop, forked_in_destructor, forked_in_handler;
static _Thread_local volatile sig_atomic_t busy;
static _Thread_local int generation;

/* A handler may allocate where this is not under way. */
static void work(unsigned seed)
{
    int before = busy;
    busy = 1;
    char *held[24];
    for (unsigned i = 0; i < 24; i++) {
        size_t n = (seed * 131 + i * 977) % (i % 12 == 0 ? 150000 : 900) + 1;
        CHECK((held[i] = i % 3 == 0 ? calloc(1, n) : malloc(n)) != NULL);
        held[i][0] = held[i][n - 1] = (char)i;
        char *old = i % 8 == 1 ? atomic_exchange(&shared[(seed + i) % SHARED], strdup("handed on")) : NULL;
        CHECK(old == NULL || strcmp(old, "handed on") == 0);
        free(old);
    }
    for (unsigned i = 0; i < 24; i++) {
        CHECK(held[i][0] == (char)i);
        free(held[i]);
    }
    busy = before;
}

static void *work_in_thread(void *seed)
{
    work((unsigned)(uintptr_t)seed);
    return NULL;
}

static void wait_for(pid_t child, const char *where)
{
    int status = 0;
    pid_t waited;
    do
        waited = waitpid(child, &status, 0);
    while (waited < 0 && errno == EINTR);
    CHECK(waited == child && status == 0, "%s: status %#x", where, status);
}

/* A child that uses all there is; more of them below it. */
static void fork_here(unsigned seed, int more, const char *where)
{
    int before = busy;
    busy = 1;
    pid_t child = fork();
    CHECK(child >= 0, "%s", where);
    if (child == 0) {
        alarm(60);
        generation++;
        for (int i = 0; i < SHARED; i++)
            free(atomic_exchange(&shared[i], NULL));
        work(seed);
        pthread_t thread;
        if (seed % 4 == 0) {
            CHECK(pthread_create(&thread, NULL, work_in_thread, (void *)(uintptr_t)seed) == 0);
            work(seed + 1);
            CHECK(pthread_join(thread, NULL) == 0);
        }
        if (more > 0)
            fork_here(seed + 1, more - 1, "in a child");
        if (seed % 3 == 0)
            exit(0);
        _exit(0);
    }
    wait_for(child, where);
    busy = before;
}

static void at_exit(void)
{
    work(3);
    /* In a child of a child no more, or they would never end. */
    if (generation < 2)
        fork_here(1, 0, "in a function that exit calls");
}

__attribute__((constructor)) static void before_main(void)
{
    fork_here(2, 1, "in a constructor");
    work(1);
}

static void destroy(void *value)
{
    unsigned seed = (unsigned)*(size_t *)value;
    work(seed);
    if (seed % 25 == 0) {
        fork_here(seed, seed % 50 == 0, "in a destructor");
        atomic_fetch_add(&forked_in_destructor, 1);
    }
    busy = 1;
    free(value);
}

static void *come_and_go(void *number)
{
    busy = 1;
    size_t *value = malloc(sizeof *value);
    CHECK(value != NULL);
    *value = (uintptr_t)number;
    CHECK(pthread_setspecific(key, value) == 0);
    work((unsigned)*value);
    return NULL;
}

static void on_signal(int signal)
{
    (void)signal;
    if (busy)
        return;
    int kept = errno;
    work(7);
    fork_here(5, 0, "in a handler");
    atomic_fetch_add(&forked_in_handler, 1);
    errno = kept;
}

/* Computes, and allocates, so that some signals find it in between. */
static void *compute(void *unused)
{
    volatile double sum = 0;
    while (!atomic_load(&stop)) {
        for (int i = 0; i < 20000; i++)
            sum = sum + i;
        work(11);
    }
    busy = 1;
    return unused;
}

int main(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    CHECK(pthread_key_create(&key, destroy) == 0);
    CHECK(atexit(at_exit) == 0);
    busy = 1;
    pthread_t computing[2], threads[AT_ONCE];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&computing[i], NULL, compute, NULL) == 0);
    for (int count = 0; count < THREADS; count += AT_ONCE) {
        for (int i = 0; i < AT_ONCE; i++)
            CHECK(pthread_create(&threads[i], NULL, come_and_go, (void *)(uintptr_t)(count + i)) == 0);
        if (count % 60 == 0)
            CHECK(pthread_kill(computing[count / 60 % 2], SIGUSR1) == 0);
        for (int i = 0; i < AT_ONCE; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
    }
    /* Signals that came while it allocated were let pass. */
    while (atomic_load(&forked_in_handler) < 10) {
        CHECK(pthread_kill(computing[0], SIGUSR1) == 0);
        usleep(1000);
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(computing[i], NULL) == 0);
    CHECK(atomic_load(&forked_in_destructor) == THREADS / 25);
    return 0;
}
