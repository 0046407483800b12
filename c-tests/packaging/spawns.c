/* Runs its first argument as a child, which inherits the environment, and
   exits as the child did. */
#include "check.h"
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

int main(int count, char **arguments)
{
    CHECK(count == 2);
    pid_t child;
    free(malloc(100));
    CHECK(posix_spawn(&child, arguments[1], NULL, NULL, arguments + 1, environ) == 0);
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}
