/* A cgroup with a memory limit, version 1 or 2. The kernel gives addresses all
   the same and kills at the first touch beyond the limit, so no malloc can say
   NULL there; what it can do is to give back what is free. Threads in different
   arenas and mapped chunks have their peak one after another, each followed by
   malloc_trim: together they are far above the limit, and live it is half. */
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { MIB = 1 << 20, LIMIT = 96 * MIB, PEAK = 56 * MIB, ROUNDS = 4 };

static char group[512];

static int put(const char *file, const char *text)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", group, file);
    int at = open(path, O_WRONLY);
    if (at < 0)
        return 0;
    ssize_t done = write(at, text, strlen(text));
    close(at);
    return done == (ssize_t)strlen(text);
}

/* A group below this process's own, whose name is the number of the process. */
static int make_group(void)
{
    char line[256], limit[32];
    FILE *groups = fopen("/proc/self/cgroup", "r");
    snprintf(limit, sizeof limit, "%d", LIMIT);
    while (groups != NULL && fgets(line, sizeof line, groups) != NULL) {
        line[strcspn(line, "\n")] = 0;
        char *first = strstr(line, ":memory:"), *second = strncmp(line, "0::", 3) == 0 ? line + 3 : NULL;
        const char *root = first != NULL ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup";
        const char *own = first != NULL ? first + 8 : second;
        if (own == NULL)
            continue;
        snprintf(group, sizeof group, "%s%s/cairn-%d", root, own, (int)getpid());
        if (mkdir(group, 0755) != 0)
            continue;
        if (put("memory.max", limit) || put("memory.limit_in_bytes", limit)) {
            fclose(groups);
            return 1;
        }
        rmdir(group);
    }
    return 0;
}

static void peak(size_t n)
{
    struct cell { struct cell *next; } *all = NULL;
    for (size_t bytes = 0; bytes < PEAK; bytes += n) {
        struct cell *cell = malloc(n);
        CHECK(cell != NULL);
        memset(cell, 1, n);
        cell->next = all;
        all = cell;
    }
    while (all != NULL) {
        struct cell *next = all->next;
        free(all);
        all = next;
    }
    malloc_trim(0);
}

static pthread_barrier_t step;

static void *peaks(void *number)
{
    static const size_t sizes[] = {48, 600, 9000, 100000, 3 * MIB};
    for (int round = 0; round < ROUNDS; round++)
        for (int turn = 0; turn < 3; turn++) {
            if ((int)(uintptr_t)number == turn)
                peak(sizes[(round * 3 + turn) % 5]);
            pthread_barrier_wait(&step);
        }
    return number;
}

int main(void)
{
    if (!make_group())
        return 77;
    pid_t child = fork();
    if (child == 0) {
        CHECK(put("cgroup.procs", "0"));
        pthread_t threads[3];
        pthread_barrier_init(&step, NULL, 3);
        for (uintptr_t i = 0; i < 3; i++)
            CHECK(pthread_create(&threads[i], NULL, peaks, (void *)i) == 0);
        for (int i = 0; i < 3; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
        _exit(0);
    }
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(rmdir(group) == 0, "%s", group);
    CHECK(status == 0, "status %#x: %s", status, status == SIGKILL ? "killed for want of memory" : "");
    return 0;
}
