/* Usage: fork child|parent
   A process with objects in the quarantine forks while its threads allocate.
   The child allocates, frees and empties the quarantine, which looks at all that
   waited there, from before the fork and after. The one named also writes to
   memory that it freed, and is stopped, alone. */
#include "check.h"
#include <pthread.h>
#include <sys/wait.h>

static volatile int stop;

static void *work(void *unused)
{
    while (!stop) {
        void *p[50];
        for (int i = 0; i < 50; i++)
            p[i] = malloc(20 + 30 * (size_t)i);
        for (int i = 0; i < 50; i++)
            free(p[i]);
    }
    return unused;
}

static int last_words(int misuses)
{
    for (int i = 0; i < 1000; i++)
        free(opaque(malloc(10 + (size_t)i)));
    if (misuses) {
        unsigned char *p = opaque(malloc(300)), *stale = opaque(p);
        free(p);
        stale[100] = 1;
    }
    malloc_trim(0);
    return 0;
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    int child_misuses = strcmp(argv[1], "child") == 0;
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, work, NULL) == 0);
    for (int round = 0; round < 40; round++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            alarm(60);
            _exit(last_words(child_misuses));
        }
        int status;
        CHECK(waitpid(pid, &status, 0) == pid);
        if (child_misuses)
            CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "(%#x)", status);
        else
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "(%#x)", status);
    }
    stop = 1;
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return child_misuses ? 0 : last_words(1);
}
