/* vfork and posix_spawn from a program whose other threads allocate. */
#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>

extern char **environ;
static atomic_int stop;

static void *allocate(void *number)
{
    while (!atomic_load(&stop))
        churn((unsigned)(uintptr_t)number, 500);
    return NULL;
}

int main(void)
{
    check_served();
    pthread_t threads[3];
    for (uintptr_t at = 0; at < 3; at++)
        CHECK(pthread_create(&threads[at], NULL, allocate, (void *)(at + 1)) == 0);
    char *const arguments[] = {"true", NULL};
    for (int count = 0; count < 100; count++) {
        pid_t child = vfork();
        if (child == 0) {
            execve("/bin/true", arguments, environ);
            _exit(1);
        }
        CHECK(child > 0);
        churn(5, 50);
        check_child(child);

        posix_spawn_file_actions_t actions;
        CHECK(posix_spawn_file_actions_init(&actions) == 0);
        CHECK(posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) == 0);
        CHECK(posix_spawn(&child, "/bin/true", &actions, NULL, arguments, environ) == 0);
        CHECK(posix_spawn_file_actions_destroy(&actions) == 0);
        check_child(child);
    }
    FILE *pipe = popen("echo spoken", "r");
    CHECK(pipe != NULL);
    char word[16] = "";
    CHECK(fgets(word, sizeof word, pipe) != NULL);
    CHECK(strcmp(word, "spoken\n") == 0);
    CHECK(pclose(pipe) == 0);
    CHECK(system("exit 7") == 7 << 8);
    atomic_store(&stop, 1);
    for (int at = 0; at < 3; at++)
        CHECK(pthread_join(threads[at], NULL) == 0);
    return 0;
}
