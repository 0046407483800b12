/* A process that hardly allocates, COUNT of them one after another: each starts,
 * takes forty small objects and ends. */
#include <spawn.h>
#include <sys/wait.h>
#include "bench.h"

extern char **environ;

static int small(void)
{
    enum { OBJECTS = 40 };
    char *objects[OBJECTS];
    uint64_t sum = 0;
    for (size_t i = 0; i < OBJECTS; i++) {
        size_t size = 16 + i * 7 % 200;
        objects[i] = must(malloc(size));
        fill(objects[i], size, i);
    }
    for (size_t i = 0; i < OBJECTS; i++) {
        mix(&sum, look(objects[i], 16 + i * 7 % 200));
        free(objects[i]);
    }
    return (int)(sum % 100);
}

int main(int argc, char **argv)
{
    size_t count = argument(argc, argv, 1, 300);
    uint64_t sum = 0;
    if (count == 0)
        return small();
    for (size_t i = 0; i < count; i++) {
        char *again[] = {argv[0], "0", NULL};
        pid_t child;
        int status;
        if (posix_spawn(&child, "/proc/self/exe", NULL, NULL, again, environ)
            || waitpid(child, &status, 0) != child || !WIFEXITED(status))
            return 1;
        mix(&sum, (uint64_t)WEXITSTATUS(status));
    }
    return result(sum);
}
