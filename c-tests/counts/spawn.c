/* spawn PRELOAD PROGRAM ARGUMENT...: runs PROGRAM and writes to standard error its minor page
 * faults, the most KiB of anonymous memory and the most of files that were resident at once, and
 * whether its addresses were the same as in every run (1) or random (0). PRELOAD may be empty.
 *
 * spawn probe: how many faults the kernel takes for 64 anonymous pages and for 64 of a file.
 *
 * The kernel's own peak (VmHWM, ru_maxrss) is kept in batches for each processor and is some
 * hundred KiB off, differently on each kernel. What is resident grows at faults and shrinks at
 * few system calls: so the program waits before each of these, and its pages are counted one by
 * one (smaps_rollup). The largest count is the peak, to the page. A filter stops it and asks its
 * parent (seccomp), as a container that forbids ptrace permits.
 *
 * Addresses are not random where that may be asked for, or a count of faults would be (they stay so
 * if SPAWN_RANDOM is set); and there are no huge pages, which the kernel gives or not by what it has to hand. One processor, so that
 * nothing depends on which one.
 *
 * Exits with 77, after a line that says why, where this cannot be done. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CANNOT = 77, PAGES = 64, PAGE = 4096 };

#ifndef SECCOMP_USER_NOTIF_FLAG_CONTINUE
#define SECCOMP_USER_NOTIF_FLAG_CONTINUE 1
#endif

static int cannot(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return CANNOT;
}

static long faults_so_far(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_minflt;
}

/* Faults of one read of each of so many pages; a write, where the memory is anonymous. */
static long faults_of(volatile char *memory, int write)
{
    long before = faults_so_far();
    for (size_t i = 0; i < PAGES; i++) {
        if (write)
            memory[i * PAGE] = 1;
        else
            (void)memory[i * PAGE];
    }
    return faults_so_far() - before;
}

static int probe(void)
{
    void *anonymous = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    static char filled[PAGES * PAGE];
    memset(filled, 1, sizeof filled);
    int file = memfd_create("probe", MFD_CLOEXEC);
    if (file < 0 || write(file, filled, sizeof filled) != (ssize_t)sizeof filled)
        return cannot("no file for the probe");
    void *mapped = mmap(NULL, sizeof filled, PROT_READ, MAP_PRIVATE, file, 0);
    if (anonymous == MAP_FAILED || mapped == MAP_FAILED)
        return cannot("mmap");
    fprintf(stderr, "%ld %ld\n", faults_of(anonymous, 1), faults_of(mapped, 0));
    return 0;
}

#if defined __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the name of this architecture in a filter"
#endif

/* Asks the parent at each call after which less may be resident, and at the end. The descriptor
 * on which it is asked goes to the parent by its number: both share their files until exec. */
static int ask_parent(void)
{
#define ASK(number) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ASK(SYS_munmap),
        ASK(SYS_madvise),
        ASK(SYS_brk),
        ASK(SYS_mremap),
        ASK(SYS_exit_group),
        /* A mapping over another. */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[3])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_FIXED, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                        &program);
}

/* A field of smaps_rollup; 0 where it is not there. */
static long kib(const char *text, const char *field)
{
    const char *at = strstr(text, field);
    return at == NULL ? 0 : atol(at + strlen(field));
}

static long most_anonymous, most_files;

static int count(pid_t child)
{
    char text[8192];
    snprintf(text, sizeof text, "/proc/%d/smaps_rollup", (int)child);
    int file = open(text, O_RDONLY);
    if (file < 0)
        return 0;
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    if (length <= 0)
        return 0;
    text[length] = '\0';
    /* What was swapped out was resident before. */
    long swapped = kib(text, "\nSwap:");
    long anonymous = kib(text, "\nAnonymous:") + swapped;
    long files = kib(text, "\nRss:") + swapped - anonymous;
    most_anonymous = anonymous > most_anonymous ? anonymous : most_anonymous;
    most_files = files > most_files ? files : most_files;
    return 1;
}

static struct rusage used;
static int status;

/* Answers until the child has ended. */
static int follow(pid_t child, int listener)
{
    for (;;) {
        pid_t ended = wait4(child, &status, WNOHANG, &used);
        if (ended == child)
            return 0;
        if (ended < 0)
            return cannot("wait4");
        struct pollfd asked = {listener, POLLIN, 0};
        if (poll(&asked, 1, 10) <= 0 || (asked.revents & POLLIN) == 0) {
            if (asked.revents != 0)
                usleep(500);
            continue;
        }
        struct seccomp_notif question;
        memset(&question, 0, sizeof question);
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &question) != 0)
            continue;
        int counted = count(child);
        struct seccomp_notif_resp answer = {
            .id = question.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) != 0 && errno != ENOENT)
            counted = 0;
        if (!counted) {
            int result = cannot("the program's pages cannot be counted");
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            return result;
        }
    }
}

static int one_processor(void)
{
    cpu_set_t allowed, one;
    int first = 0;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return -1;
    while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, &allowed))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    return sched_setaffinity(0, sizeof one, &one);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "probe") == 0)
        return prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0 ? probe() : cannot("PR_SET_THP_DISABLE");
    if (argc < 3)
        return 2;
    int same_addresses =
        getenv("SPAWN_RANDOM") == NULL && personality(ADDR_NO_RANDOMIZE) != -1;
    if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0)
        return cannot("PR_SET_THP_DISABLE");
    if (one_processor() != 0)
        return cannot("sched_setaffinity");
    int listeners[2];
    if (pipe2(listeners, O_CLOEXEC) != 0)
        return 2;
    pid_t child = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0) {
        if (*argv[1] != 0)
            setenv("LD_PRELOAD", argv[1], 1);
        int listener = ask_parent();
        int said = listener < 0 ? -errno : listener;
        if (write(listeners[1], &said, sizeof said) != (ssize_t)sizeof said || said < 0)
            _exit(126);
        execv(argv[2], argv + 2);
        _exit(127);
    }
    int listener;
    if (child < 0 || read(listeners[0], &listener, sizeof listener) != (ssize_t)sizeof listener)
        return 2;
    if (listener < 0) {
        errno = -listener;
        waitpid(child, &status, 0);
        return cannot("seccomp with a listener");
    }
    int result = follow(child, listener);
    if (result != 0)
        return result;
    fprintf(stderr, "%ld %ld %ld %d\n", used.ru_minflt, most_anonymous, most_files,
            same_addresses);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}
