/* Threads that allocate, resize and free, also each other's objects, while a timer's signal interrupts
   them and the process forks; so many seconds. Whatever an object holds stays what was written. */
#include "../check.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#define THREADS 8
#define PLACES 256

struct place {
    pthread_mutex_t lock;
    unsigned char *p;
    size_t n;
    unsigned char value;
};

static struct place places[PLACES];
static atomic_int over;
static atomic_ulong signals;

static void on_signal(int signal)
{
    (void)signal;
    signals++;
}

static void check(struct place *at)
{
    for (size_t i = 0; i < at->n; i++) {
        CHECK(at->p[i] == at->value);
    }
}

static void turn(unsigned *seed)
{
    struct place *at = &places[rand_r(seed) % PLACES];
    size_t n = (size_t)rand_r(seed) % (rand_r(seed) % 8 ? 300 : 20000) + 1;
    pthread_mutex_lock(&at->lock);
    check(at);
    switch (rand_r(seed) % 4) {
    case 0:
        free(at->p);
        at->p = calloc(1, n);
        CHECK(at->p && at->p[n - 1] == 0);
        break;
    case 1: {
        unsigned char old = at->value;
        size_t kept = at->n < n ? at->n : n;
        at->p = realloc(at->p, n);
        CHECK(at->p);
        for (size_t i = 0; i < kept; i++) {
            CHECK(at->p[i] == old);
        }
        break;
    }
    case 2:
        free(at->p);
        at->p = NULL;
        CHECK(posix_memalign((void **)&at->p, 64, n) == 0);
        break;
    default:
        free(at->p);
        at->p = malloc(n);
        CHECK(at->p);
    }
    at->n = n;
    at->value = (unsigned char)rand_r(seed);
    memset(at->p, at->value, n);
    pthread_mutex_unlock(&at->lock);
}

static void *work(void *number)
{
    unsigned seed = (unsigned)(size_t)number;
    while (!over) {
        turn(&seed);
    }
    return NULL;
}

int main(int count, char **arguments)
{
    double seconds = count > 1 ? atof(arguments[1]) : 1;
    for (int i = 0; i < PLACES; i++) {
        pthread_mutex_init(&places[i].lock, NULL);
    }
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, NULL);
    struct itimerval timer = {{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &timer, NULL);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, work, (void *)(i + 1)) == 0);
    }
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    unsigned forks = 0;
    do {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            /* Places of its own: who held the others' locks is gone. */
            alarm(60);
            unsigned seed = forks;
            for (int i = 0; i < PLACES; i++) {
                places[i].p = NULL;
                places[i].n = 0;
                pthread_mutex_init(&places[i].lock, NULL);
            }
            for (int i = 0; i < 500; i++) {
                turn(&seed);
            }
            _exit(0);
        }
        int status;
        while (waitpid(child, &status, 0) != child) {
            CHECK(errno == EINTR);
        }
        CHECK(status == 0, "status %x", status);
        forks++;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - begin.tv_sec + (now.tv_nsec - begin.tv_nsec) / 1e9 < seconds);
    over = 1;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK(forks > 3 && signals > 10, "%u forks, %lu signals", forks, (unsigned long)signals);
    for (int i = 0; i < PLACES; i++) {
        check(&places[i]);
        free(places[i].p);
    }
    return 0;
}
