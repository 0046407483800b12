/* When there is a thread of Cairn's own, and what it may not change. The
   argument says what is looked at. Run with CAIRN_BACKGROUND=1, but where it
   says otherwise. */
#include "background/background.h"

static volatile sig_atomic_t handled_by;

static void on_signal(int unused)
{
    (void)unused;
    handled_by = gettid();
}

/* A process with one thread stays one, whatever it asks for. */
static void alone(void)
{
    ask_slowly();
    usleep(300000);
    CHECK(threads() == 1, "%d threads", threads());
    /* The kernel refuses this beside a second thread (EINVAL), and may for other reasons. */
    CHECK(unshare(CLONE_NEWUSER) == 0 || errno != EINVAL);
}

static void beside(void)
{
    keep_company();
    ask_slowly();
    WAIT_FOR(threads() == 3, PATIENCE, "%d threads", threads());
    WAIT_FOR(background_thread() != 0, PATIENCE);
}

/* In the child it is gone; there it comes again with a second thread. */
static void forks(void)
{
    beside();
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            CHECK(threads() == 1, "%d threads", threads());
            ask_slowly();
            CHECK(threads() == 1, "%d threads", threads());
            if (i % 4 == 0) {
                beside();
                ask_slowly();
            }
            _exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0, "%x", status);
        CHECK(threads() == 3, "%d threads", threads());
    }
}

/* The last of the program's threads ends the process, though main left before. */
static void *outlive_main(void *main_thread)
{
    CHECK(pthread_join(*(pthread_t *)main_thread, NULL) == 0);
    ask_slowly();
    WAIT_FOR(background_thread() != 0, PATIENCE);
    return NULL;
}

static void ends(void)
{
    static pthread_t self;
    pthread_t other;
    self = pthread_self();
    CHECK(pthread_create(&other, NULL, outlive_main, &self) == 0);
    ask_slowly();
    pthread_exit(NULL);
}

/* Beside one thread alone it does not stay. */
static void leaves(void)
{
    pthread_t other;
    pthread_barrier_init(&turn, NULL, 2);
    CHECK(pthread_create(&other, NULL, allocate_once, NULL) == 0);
    ask_slowly();
    WAIT_FOR(background_thread() != 0, PATIENCE);
    pthread_barrier_wait(&turn);
    CHECK(pthread_join(other, NULL) == 0);
    WAIT_FOR(threads() == 1, PATIENCE, "%d threads", threads());
    beside();
}

/* No signal of the program's is handled by it, and what libc does to all threads reaches it. */
static void signals(void)
{
    beside();
    int thread = background_thread();
    unsigned long blocked = status_of(thread, "SigBlk:", 16);
    for (int i = 1; i <= 64; i++) {
        int libcs = i == 32 || i == 33, never = i == SIGKILL || i == SIGSTOP;
        CHECK(never || (blocked >> (i - 1) & 1) == !libcs, "signal %d, %lx", i, blocked);
    }
    struct sigaction action = { .sa_handler = on_signal };
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    for (int i = 0; i < 100; i++) {
        handled_by = 0;
        CHECK(kill(getpid(), SIGUSR1) == 0);
        WAIT_FOR(handled_by != 0, PATIENCE);
        CHECK(handled_by != thread);
    }
    if (geteuid() == 0) {
        CHECK(setresuid(65534, 65534, 0) == 0);
        CHECK(status_of(thread, "Uid:", 10) == 65534);
        CHECK(setresuid(0, 0, 0) == 0);
    }
}

/* The lowest address of the mapping that a place lies in; 0 for none. */
static unsigned long start_of(unsigned long place)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    unsigned long from, to, found = 0;
    CHECK(maps != NULL);
    while (found == 0 && fgets(line, sizeof line, maps) != NULL)
        if (sscanf(line, "%lx-%lx", &from, &to) == 2 && from <= place && place < to)
            found = from;
    fclose(maps);
    return found;
}

/* Its stack is small: 256 KiB down from where it sleeps, at most, is what is not its own. */
static void stack(void)
{
    beside();
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", background_thread());
    unsigned long sp = 0;
    for (int i = 0; sp == 0 && i < 100; i++) {
        /* Seven words of a call, then the stack's place and the code's; "running" else. */
        FILE *file = fopen(path, "r");
        CHECK(file != NULL, "%s", path);
        CHECK(fgets(text, sizeof text, file) != NULL);
        fclose(file);
        if (sscanf(text, "%*s %*s %*s %*s %*s %*s %*s %lx", &sp) != 1)
            usleep(50000);
    }
    unsigned long from = start_of(sp);
    CHECK(sp != 0 && from != 0, "%s", text);
    CHECK(sp - from <= 256 << 10, "%lu bytes of stack", sp - from);
}

/* With nothing to give back it sleeps, and no timer wakes it. */
static void sleeps(void)
{
    beside();
    int thread = background_thread();
    unsigned long before, after;
    int tries = 0;
    do {
        CHECK(tries++ < 4 * PATIENCE, "%lu, then %lu switches", before, after);
        before = status_of(thread, "\nvoluntary_ctxt_switches:", 10);
        usleep(1000000);
        after = status_of(thread, "\nvoluntary_ctxt_switches:", 10);
    } while (before != after);
}

/* On and off by a call. Run without the variable. */
static void by_call(void)
{
    int (*background)(int) = (int (*)(int))dlsym(RTLD_DEFAULT, "cairn_background");
    CHECK(background != NULL);
    pthread_barrier_init(&turn, NULL, 2);
    keep_company();
    ask_slowly();
    usleep(100000);
    CHECK(threads() == 2, "%d threads", threads());
    CHECK(background(1) == 0 && background(1) == 1);
    WAIT_FOR(threads() == 3, PATIENCE, "%d threads", threads());
    CHECK(background(0) == 1 && background(0) == 0);
    WAIT_FOR(threads() == 2, PATIENCE, "%d threads", threads());
    CHECK(mallopt(M_CAIRN_BACKGROUND, 1) == 1);
    WAIT_FOR(threads() == 3, PATIENCE, "%d threads", threads());
    CHECK(mallopt(M_CAIRN_BACKGROUND, 0) == 1);
    WAIT_FOR(threads() == 2, PATIENCE, "%d threads", threads());
    ask_slowly();
    CHECK(threads() == 2, "%d threads", threads());
}

/* errno is the program's, however the thread is made. */
static void keeps_errno(void)
{
    keep_company();
    for (int i = 0; i < 100; i++) {
        errno = 4711;
        CHECK(malloc(any(5000 + i)) != NULL && errno == 4711);
    }
    WAIT_FOR(background_thread() != 0, PATIENCE);
}

int main(int argc, char **argv)
{
    static const struct { const char *name; void (*run)(void); } all[] = {
        { "alone", alone }, { "beside", beside }, { "forks", forks }, { "ends", ends },
        { "leaves", leaves }, { "signals", signals }, { "stack", stack }, { "sleeps", sleeps },
        { "by_call", by_call }, { "keeps_errno", keeps_errno },
    };
    CHECK(argc == 2);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].name, argv[1]) == 0) {
            all[i].run();
            return 0;
        }
    CHECK(0, "%s", argv[1]);
}
