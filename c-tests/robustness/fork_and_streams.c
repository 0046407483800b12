/* fork_and_streams WHAT: fork takes the lock of libc's list of streams, and makes it free in the
   child, if the process has had a second thread; else it does neither. While it waits for a thread
   that flushes all streams, that thread must get the memory it asks for; and whoever is left, in
   parent and child, must be able to flush.
   beside: another thread flushes all streams, one of which allocates as it writes.
   alone: one thread forks; the child starts threads that flush.
   written: the fork comes out of a stream's write, with one thread.
   written-beside: the same, with another thread that flushes.
   handled: a signal handler that interrupts anything forks, with one thread.
   handled-beside: a signal handler that interrupts arithmetic forks, while another thread flushes. */
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <sys/wait.h>

/* How a child goes on. */
enum { LEAVES = 1, RETURNS };
enum { FORKS = 80 };

static atomic_int stop;
static _Thread_local int forks_as_it_writes;
static volatile sig_atomic_t is_child, handled;

static void wait_for(pid_t child)
{
    int status = 0;
    pid_t waited;
    do
        waited = waitpid(child, &status, 0);
    while (waited < 0 && errno == EINTR);
    CHECK(waited == child && status == 0, "%d: %#x", (int)waited, (unsigned)status);
}

static void allocate(void)
{
    for (size_t i = 0; i < 20; i++) {
        char *p = malloc(40000 + i * 100);
        CHECK(p != NULL);
        memset(p, 1, 40000);
        free(p);
        free(malloc(i * 50));
    }
}

static void *flush(void *unused)
{
    for (int i = 0; i < 5; i++) {
        FILE *file = fopen("/dev/null", "w");
        CHECK(file != NULL && fputs("hello", file) >= 0);
        CHECK(fflush(NULL) == 0 && fclose(file) == 0);
    }
    return unused;
}

/* All streams, from two other threads and from this one. */
static void everybody_flushes(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, flush, NULL) == 0);
    flush(NULL);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static void fork_one(int how)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child > 0) {
        wait_for(child);
        return;
    }
    CHECK(signal(SIGALRM, SIG_DFL) != SIG_ERR);
    alarm(60);
    is_child = 1;
    if (how == LEAVES) {
        allocate();
        everybody_flushes();
        _exit(0);
    }
}

/* What a stream does with what was written to it. */
static ssize_t write_it(void *unused, const char *bytes, size_t count)
{
    (void)unused;
    (void)bytes;
    allocate();
    int child = forks_as_it_writes;
    forks_as_it_writes = 0;
    if (child != 0)
        fork_one(child);
    return (ssize_t)count;
}

static FILE *a_stream(void)
{
    FILE *file = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write_it});
    CHECK(file != NULL);
    return file;
}

static void *flush_on(void *unused)
{
    FILE *file = a_stream();
    while (!atomic_load(&stop))
        CHECK(fputs("hello", file) >= 0 && fflush(NULL) == 0);
    CHECK(fclose(file) == 0);
    return unused;
}

/* Each flush of all streams forks once in its middle, and ends: in the child too where that has
   the lock as its parent had it. With threads it has not; libc made it free. */
static void fork_as_it_writes(int beside)
{
    FILE *file = a_stream();
    for (int i = 0; i < FORKS; i++) {
        forks_as_it_writes = beside ? LEAVES : RETURNS;
        /* The other thread may be the one that writes it. */
        while (forks_as_it_writes)
            CHECK(fputs("hello", file) >= 0 && fflush(NULL) == 0);
        if (is_child) {
            everybody_flushes();
            _exit(0);
        }
    }
    CHECK(fclose(file) == 0);
}

static void on_signal(int signal)
{
    (void)signal;
    int kept = errno;
    fork_one(RETURNS);
    handled++;
    errno = kept;
}

/* The handler's child comes back to what was interrupted, be it a flush or an allocation, and
   then has threads that flush. */
static void interrupt_anything(void)
{
    FILE *file = a_stream();
    while (handled < FORKS && !is_child) {
        int before = handled;
        struct itimerval soon = {{0, 0}, {0, 50 + before * 7 % 400}};
        CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
        while (handled == before && !is_child)
            CHECK(fputs("hello", file) >= 0 && fflush(NULL) == 0);
    }
    everybody_flushes();
    if (is_child)
        _exit(0);
}

static void interrupt_arithmetic(void)
{
    volatile double sum = 0;
    while (handled < FORKS && !is_child) {
        int before = handled;
        struct itimerval soon = {{0, 0}, {0, 50 + before * 7 % 400}};
        CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
        while (handled == before && !is_child)
            sum = sum + 1;
    }
    if (is_child) {
        allocate();
        everybody_flushes();
        _exit(0);
    }
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    const char *what = argv[1];
    int beside = strstr(what, "beside") != NULL;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    pthread_t thread;
    if (beside) {
        /* The signal is this thread's. */
        sigset_t alarms;
        sigemptyset(&alarms);
        sigaddset(&alarms, SIGALRM);
        CHECK(pthread_sigmask(SIG_BLOCK, &alarms, NULL) == 0);
        CHECK(pthread_create(&thread, NULL, flush_on, NULL) == 0);
        CHECK(pthread_sigmask(SIG_UNBLOCK, &alarms, NULL) == 0);
    }
    if (strncmp(what, "written", 7) == 0) {
        fork_as_it_writes(beside);
    } else if (strcmp(what, "handled") == 0) {
        interrupt_anything();
    } else if (strcmp(what, "handled-beside") == 0) {
        interrupt_arithmetic();
    } else {
        for (int i = 0; i < FORKS; i++)
            fork_one(LEAVES);
    }
    atomic_store(&stop, 1);
    if (beside)
        CHECK(pthread_join(thread, NULL) == 0);
    everybody_flushes();
    return 0;
}
