/* Usage: never_given
   Frees, each in a child of its own, addresses in memory that nobody ever had,
   behind the newest object of slots that were made when the allocator's own
   tables had grown and left shorter ones behind. */
#include "check.h"
#include <signal.h>
#include <sys/wait.h>

enum { SMALL = 2000, SLOTS = 2, OBJECTS = 140, SIZE = 496, AHEAD = 250 };

static void stops(void *p)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        close(2);
        free(p);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "(free(%p) passed)", p);
}

static int is_given(char **given, int n, char *p)
{
    for (int i = 0; i < n; i++)
        if (given[i] == p)
            return 1;
    return 0;
}

int main(void)
{
    static char *given[SLOTS * OBJECTS];
    void *small[SMALL];
    for (int i = 0; i < SMALL; i++)
        CHECK((small[i] = malloc(16)) != NULL);
    for (int i = 0; i < SMALL; i++)
        free(small[i]);
    int n = 0;
    for (int slot = 0; slot < SLOTS; slot++) {
        for (int i = 0; i < OBJECTS; i++)
            CHECK((given[n++] = malloc(SIZE)) != NULL);
        for (int i = 1; i <= AHEAD; i++) {
            char *p = given[n - 1] + SIZE + 16 * i;
            if (!is_given(given, n, p))
                stops(opaque(p));
        }
    }
    return 0;
}
