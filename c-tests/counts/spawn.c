/* spawn PRELOAD PROGRAM ARGUMENT...: runs PROGRAM and writes its minor page faults
 * and its peak of resident KiB to standard error. PRELOAD may be empty.
 *
 * A process of its own, since a child's ru_maxrss starts at what its parent had
 * resident. Addresses are not random, or a count of pages would be; and there are
 * no huge pages, which the kernel gives or not by what it has to hand. One
 * processor: the kernel counts resident pages for each apart, and a process that
 * moves has a peak that is 32 pages off. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    if (personality(ADDR_NO_RANDOMIZE) == -1 || prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0) {
        perror("spawn");
        return 2;
    }
    cpu_set_t allowed, one;
    int first = 0;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return 2;
    while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, &allowed))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        return 2;
    pid_t child = fork();
    if (child == 0) {
        if (*argv[1] != 0)
            setenv("LD_PRELOAD", argv[1], 1);
        execv(argv[2], argv + 2);
        _exit(127);
    }
    int status = 0;
    struct rusage used;
    if (child < 0 || wait4(child, &status, 0, &used) != child)
        return 2;
    fprintf(stderr, "%ld %ld\n", used.ru_minflt, used.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}
