/* A sandbox that kills on every system call which the README does not list.
   "entered": main enters it with threads that wait, and all of them allocate.
   "from the start": what a loader needs is allowed too, the filter is there
   before the library is, and getrandom is refused. In both no file opens. */
#define _GNU_SOURCE
#include "check.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#define ANSWER(call, answer)                             \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1),   \
        BPF_STMT(BPF_RET | BPF_K, (answer))
#define ALLOW(call) ANSWER(call, SECCOMP_RET_ALLOW)
#define REFUSE(call, error) ANSWER(call, SECCOMP_RET_ERRNO | (error))

#define BEGIN                                                                               \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),                \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),                            \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),                                \
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define LISTED                                                                              \
    ALLOW(SYS_brk), ALLOW(SYS_mmap), ALLOW(SYS_munmap), ALLOW(SYS_mremap),                  \
        ALLOW(SYS_madvise), ALLOW(SYS_mprotect), ALLOW(SYS_write), ALLOW(SYS_futex),        \
        ALLOW(SYS_sched_yield), ALLOW(SYS_nanosleep), ALLOW(SYS_clock_nanosleep),           \
        ALLOW(SYS_read), ALLOW(SYS_close), ALLOW(SYS_getpid), ALLOW(SYS_gettid),            \
        ALLOW(SYS_tgkill), ALLOW(SYS_rt_sigprocmask), ALLOW(SYS_rt_sigaction),              \
        ALLOW(SYS_sched_getaffinity), ALLOW(SYS_exit), ALLOW(SYS_exit_group)
#define END BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

static void enter(struct sock_filter *filter, size_t length)
{
    struct sock_fprog program = {(unsigned short)length, filter};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0);
}

static void use_all(unsigned seed)
{
    churn(seed, 5000);
    char *large = malloc((size_t)1 << 20);
    CHECK(large != NULL);
    fill(large, (size_t)1 << 20, seed);
    large = realloc(large, (size_t)40 << 20);
    CHECK(large != NULL && is_filled(large, 4, seed));
    free(large);
    void *aligned = NULL;
    CHECK(posix_memalign(&aligned, 65536, 1000) == 0);
    free(aligned);
    enum { MANY = 20000 };
    void **many = calloc(MANY, sizeof *many);
    CHECK(many != NULL);
    for (int at = 0; at < MANY; at++)
        CHECK((many[at] = malloc(600)) != NULL);
    for (int at = 0; at < MANY; at++)
        free(many[at]);
    free(many);
    malloc_trim(0);
    churn(seed + 1, 5000);
}

static pthread_barrier_t started, entered;

static void *wait_and_use(void *seed)
{
    pthread_barrier_wait(&started);
    pthread_barrier_wait(&entered);
    use_all((unsigned)(uintptr_t)seed);
    return NULL;
}

int main(int count, char **arguments)
{
    CHECK(count == 2);
    check_served();
    if (strcmp(arguments[1], "entered") == 0) {
        struct sock_filter filter[] = {BEGIN, LISTED, REFUSE(SYS_getrandom, ENOSYS),
                                       REFUSE(SYS_openat, EACCES), END};
        enum { THREADS = 3 };
        pthread_t threads[THREADS];
        CHECK(pthread_barrier_init(&started, NULL, THREADS + 1) == 0);
        CHECK(pthread_barrier_init(&entered, NULL, THREADS + 1) == 0);
        for (uintptr_t at = 0; at < THREADS; at++)
            CHECK(pthread_create(&threads[at], NULL, wait_and_use, (void *)at) == 0);
        /* A thread that starts makes calls of its own. */
        pthread_barrier_wait(&started);
        enter(filter, sizeof filter / sizeof *filter);
        pthread_barrier_wait(&entered);
        use_all(50);
        for (int at = 0; at < THREADS; at++)
            CHECK(pthread_join(threads[at], NULL) == 0);
        exit(0);
    }
    if (strcmp(arguments[1], "from the start") == 0) {
        struct sock_filter filter[] = {
            BEGIN, LISTED, REFUSE(SYS_getrandom, EPERM), ALLOW(SYS_openat), ALLOW(SYS_execve),
            ALLOW(SYS_fstat), ALLOW(SYS_newfstatat), ALLOW(SYS_pread64), ALLOW(SYS_faccessat),
#ifdef __x86_64__
            ALLOW(SYS_access), ALLOW(SYS_arch_prctl), ALLOW(SYS_readlink), ALLOW(SYS_stat),
#endif
            ALLOW(SYS_set_tid_address), ALLOW(SYS_set_robust_list), ALLOW(SYS_rseq),
            ALLOW(SYS_prlimit64), END};
        enter(filter, sizeof filter / sizeof *filter);
        char *again[] = {arguments[0], "inside", NULL};
        execv(arguments[0], again);
        fail_at(__FILE__, __LINE__, "execv");
    }
    CHECK(strcmp(arguments[1], "inside") == 0);
    use_all(60);
    exit(0);
}
