/* A single-threaded program forks from a signal handler that interrupts the
   allocator wherever it happens to be. The parent goes on; of the children one
   kind leaves at once, one kind runs another program, and one kind returns
   from the handler and finishes what was interrupted. With an argument the
   program forks outside the handler too, so that one fork interrupts another. */
#define _GNU_SOURCE
#include "check.h"
#include <signal.h>
#include <sys/time.h>

/* In check mode each child looks at the whole heap as it ends. */
enum { FORKS = 300, IN_CHECK_MODE = 45 };

static volatile sig_atomic_t forks;
static volatile sig_atomic_t is_child;
static volatile sig_atomic_t refused;

static void set_timer(long microseconds)
{
    struct itimerval timer = {{0, 0}, {0, microseconds}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void on_alarm(int signal)
{
    (void)signal;
    int kept = errno;
    pid_t child = fork();
    if (child < 0) {
        refused = 1;
        return;
    }
    if (child == 0) {
        if (forks % 3 == 0)
            _exit(0);
        if (forks % 3 == 1) {
            execl("/bin/true", "true", (char *)NULL);
            _exit(1);
        }
        is_child = 1;
        errno = kept;
        return;
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_at(__FILE__, __LINE__, "a child of the handler did not end with status 0");
    forks++;
    set_timer(50 + forks * 7 % 400);
    errno = kept;
}

int main(int argc, char **argv)
{
    (void)argv;
    check_served();
    struct sigaction action = {0};
    action.sa_handler = on_alarm;
    action.sa_flags = SA_RESTART;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    set_timer(200);
    enum { SLOTS = 2000 };
    static void *slots[SLOTS];
    static size_t sizes[SLOTS];
    uint64_t state = 42;
    int most = getenv("MALLOC_CHECK_") != NULL ? IN_CHECK_MODE : FORKS;
    int left = most * 60;
    while (!refused) {
        int at = (int)(next_random(&state) % SLOTS);
        if (slots[at] != NULL) {
            CHECK(is_filled(slots[at], sizes[at] < 64 ? sizes[at] : 64, (unsigned)at));
            free(slots[at]);
        }
        sizes[at] = some_size(&state);
        slots[at] = malloc(sizes[at]);
        CHECK(slots[at] != NULL);
        fill(slots[at], sizes[at] < 64 ? sizes[at] : 64, (unsigned)at);
        if (next_random(&state) % 8 == 0) {
            sizes[at] = sizes[at] * 2;
            slots[at] = realloc(slots[at], sizes[at]);
            CHECK(slots[at] != NULL);
            fill(slots[at], sizes[at] < 64 ? sizes[at] : 64, (unsigned)at);
        }
        if (argc > 1 && !is_child && forks < most && next_random(&state) % 16 == 0) {
            pid_t child = fork();
            CHECK(child >= 0);
            if (child == 0) {
                set_timer(0);
                free(malloc(some_size(&state)));
                _exit(0);
            }
            /* Who came out of the handler as a child may find the one it
               waits for to be its parent's. */
            pid_t waited;
            int status = 0;
            do
                waited = waitpid(child, &status, 0);
            while (waited < 0 && errno == EINTR);
            CHECK(waited == child ? status == 0 : is_child && errno == ECHILD);
        }
        if (is_child || forks >= most)
            if (--left < 0)
                break;
    }
    CHECK(!refused);
    for (int at = 0; at < SLOTS; at++)
        if (slots[at] != NULL) {
            CHECK(is_filled(slots[at], sizes[at] < 64 ? sizes[at] : 64, (unsigned)at));
            free(slots[at]);
        }
    return 0;
}
