/* What the programs of this folder share: which threads the process has, and
   waiting until something is so. */
#include "check.h"
#include "robustness/resident.h"
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

/* mallopt's, as docs and cairn.h have it. */
enum { M_CAIRN_BACKGROUND = 0x43410001 };

/* Threads of the process. Without a stream, which would allocate. */
static inline int threads(void)
{
    char text[4096];
    int file = open("/proc/self/status", O_RDONLY);
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    CHECK(length > 0);
    text[length] = 0;
    char *at = strstr(text, "Threads:");
    CHECK(at != NULL);
    return atoi(at + 8);
}

/* The first number behind a name in a thread's status, in this base. */
static inline unsigned long status_of(int thread, const char *name, int base)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/self/task/%d/status", thread);
    int file = open(path, O_RDONLY);
    if (file < 0)
        return 0;
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    CHECK(length > 0);
    text[length] = 0;
    char *at = strstr(text, name);
    CHECK(at != NULL, "%s", name);
    return strtoul(at + strlen(name), NULL, base);
}

/* The thread that blocks more signals than any of the program's; 0 for none. */
static inline int background_thread(void)
{
    DIR *folder = opendir("/proc/self/task");
    CHECK(folder != NULL);
    int found = 0;
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        int thread = atoi(entry->d_name);
        if (thread > 0 && status_of(thread, "SigBlk:", 16) >> 40 != 0)
            found = thread;
    }
    closedir(folder);
    return found;
}

/* Waits until a condition holds; it is broken if it does not within so many seconds. */
#define WAIT_FOR(condition, seconds, ...)                   \
    do {                                                    \
        int left = (seconds) * 200;                         \
        while (!(condition) && left-- > 0)                  \
            usleep(5000);                                   \
        CHECK(left >= 0, "not in time: " #condition "; " __VA_ARGS__); \
    } while (0)

/* Seconds that a machine which is busy with others may take for what takes one. */
enum { PATIENCE = 20 };

static inline void *wait_for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

/* A thread that never allocates and never ends. */
static inline void keep_company(void)
{
    pthread_t other;
    CHECK(pthread_create(&other, NULL, wait_for_ever, NULL) == 0);
}

/* A thread that allocates now and then waits for a barrier. */
static pthread_barrier_t turn;
static inline void *allocate_once(void *unused)
{
    char *p = opaque(malloc(100));
    *p = 1;
    free(p);
    pthread_barrier_wait(&turn);
    return unused;
}

/* Slow requests, so that the thread is made if it is to be. */
static inline void ask_slowly(void)
{
    static char *some[4096];
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 4096; i++) {
            some[i] = malloc(1 + i % 3000);
            CHECK(some[i] != NULL);
        }
        for (int i = 0; i < 4096; i++)
            free(some[i]);
    }
}
