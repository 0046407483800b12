/* Usage: fork_exit WHO WHAT [GIVEN]
   A process with 10000 objects in use and as many that wait forks; the child is
   given GIVEN objects and ends by exit. One of the two writes where it must not.
   WHO: parent (before the fork), child. WHAT: overflow (behind an object that was
   given out last), mapped (behind a mapped object given out last), after_free
   (one freed last), old, old_mapped, old_after_free (the same, long before the
   fork), none.
   Prints "child N" with the signal that ended the child, and ends by exit. */
#include "check.h"
#include <sys/wait.h>

enum { OBJECTS = 10000 };
static unsigned char *objects[OBJECTS], *mapped, *waiting;

static unsigned char *give(size_t n)
{
    unsigned char *p = opaque(malloc(n));
    CHECK(p != NULL);
    memset(p, 0x41, n);
    return p;
}

static void misuse(const char *what)
{
    if (strcmp(what, "overflow") == 0)
        give(100)[100] ^= 1;
    else if (strcmp(what, "old") == 0)
        objects[OBJECTS / 2][100] ^= 1;
    else if (strcmp(what, "old_mapped") == 0)
        mapped[300001] ^= 1;
    else if (strcmp(what, "old_after_free") == 0)
        *waiting ^= 1;
    else if (strcmp(what, "mapped") == 0)
        give(300001)[300001] ^= 1;
    else if (strcmp(what, "after_free") == 0) {
        unsigned char *p = give(100), *stale = opaque(p);
        free(p);
        stale[50] ^= 1;
    } else
        CHECK(strcmp(what, "none") == 0);
}

int main(int argc, char **argv)
{
    CHECK(argc >= 3);
    int child = strcmp(argv[1], "child") == 0;
    size_t given = argc > 3 ? strtoul(argv[3], NULL, 0) : 0;
    mapped = give(300001);
    for (int i = 0; i < OBJECTS; i++)
        objects[i] = give(100);
    for (int i = 0; i < OBJECTS; i++) {
        unsigned char *p = give(50);
        if (i == OBJECTS / 2)
            waiting = opaque(p);
        free(p);
    }
    if (!child)
        misuse(argv[2]);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(60);
        for (size_t i = 0; i < given; i++)
            give(30);
        if (child)
            misuse(argv[2]);
        return 0;
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    dprintf(1, "child %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    return 0;
}
