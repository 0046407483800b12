/* between PRELOAD PROGRAM ARGUMENT...: runs PROGRAM and writes to standard error, of what it and its
 * threads did between two marks: the system calls that are about memory, the KiB that they gave
 * back, and of those calls and KiB the most between two laps, if there were laps. PRELOAD may be empty.
 *
 * benches/programs/workloads/adversarial/adversarial.h has the marks. A filter stops the program at these calls
 * alone (seccomp), so all else runs at its speed; who stops it is its tracer. There are no huge
 * pages, as in spawn.c.
 *
 * Exits with 77, after a line that says why, where this cannot be done. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CANNOT = 77, BEGIN = 0x6d61726b, END, LAP };

static int cannot(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return CANNOT;
}

static const int MEMORY[] = {SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise, SYS_mprotect,
                             SYS_brk, SYS_prctl};
enum { CALLS = sizeof MEMORY / sizeof *MEMORY };

/* Of calls of these numbers the tracer is told; of another architecture's none is made. */
static int filter_calls(void)
{
    struct sock_filter filter[1 + 2 * CALLS + 1] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    size_t n = 1;
    for (size_t i = 0; i < CALLS; i++) {
        filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MEMORY[i], 0, 1);
        filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    }
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {n, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int counting;
static unsigned long end_of_break;
static unsigned long calls, bytes, laps, lap_calls, most_calls, lap_bytes, most_bytes;

static void end_lap(void)
{
    most_calls = lap_calls > most_calls ? lap_calls : most_calls;
    most_bytes = lap_bytes > most_bytes ? lap_bytes : most_bytes;
    lap_calls = lap_bytes = 0;
    laps++;
}

static void saw(unsigned long number, const unsigned long long *arguments)
{
    if (number == SYS_prctl) {
        if (arguments[0] == BEGIN)
            counting = 1;
        if (arguments[0] == LAP)
            end_lap();
        if (arguments[0] == END)
            counting = 0;
        return;
    }
    if (!counting)
        return;
    /* Advice about huge pages gives nothing back. */
    int takes = number == SYS_munmap
        || (number == SYS_madvise && (arguments[2] == MADV_DONTNEED || arguments[2] == MADV_FREE));
    unsigned long length = takes ? arguments[1] : 0;
    if (number == SYS_brk && arguments[0] != 0) {
        length = arguments[0] < end_of_break ? end_of_break - arguments[0] : 0;
        end_of_break = arguments[0];
    }
    calls++;
    lap_calls++;
    bytes += length;
    lap_bytes += length;
}

/* Goes on until the first process has ended; its status. */
static int follow(pid_t child)
{
    for (;;) {
        int status;
        pid_t who = waitpid(-1, &status, __WALL);
        if (who < 0)
            return cannot("waitpid");
        if (who == child && (WIFEXITED(status) || WIFSIGNALED(status)))
            return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
        if (!WIFSTOPPED(status))
            continue;
        int event = status >> 16, signal = WSTOPSIG(status);
        if (event == PTRACE_EVENT_SECCOMP) {
            struct __ptrace_syscall_info info;
            memset(&info, 0, sizeof info);
            if (ptrace(PTRACE_GET_SYSCALL_INFO, who, sizeof info, &info) > 0)
                saw(info.seccomp.nr, (const unsigned long long *)info.seccomp.args);
        }
        /* A new thread begins with a stop of its own. */
        int own = event != 0 || signal == SIGSTOP || signal == SIGTRAP;
        ptrace(PTRACE_CONT, who, 0, own ? 0 : signal);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0)
        return cannot("PR_SET_THP_DISABLE");
    pid_t child = fork();
    if (child == 0) {
        if (*argv[1] != 0)
            setenv("LD_PRELOAD", argv[1], 1);
        // Where a page ends among a few objects is an address's; where it cannot be fixed it varies.
        personality(ADDR_NO_RANDOMIZE);
        if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0)
            _exit(cannot("PTRACE_TRACEME"));
        raise(SIGSTOP);
        if (filter_calls() != 0)
            _exit(cannot("a filter of system calls"));
        execv(argv[2], argv + 2);
        _exit(127);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
        return CANNOT;
    long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK
        | PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SETOPTIONS, child, 0, options) != 0) {
        int result = cannot("PTRACE_SETOPTIONS");
        kill(child, SIGKILL);
        return result;
    }
    ptrace(PTRACE_CONT, child, 0, 0);
    int result = follow(child);
    if (result == 0)
        fprintf(stderr, "%lu %lu %lu %lu\n", calls, bytes / 1024, laps == 0 ? 0 : most_calls,
                laps == 0 ? 0 : most_bytes / 1024);
    return result;
}
