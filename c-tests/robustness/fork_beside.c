/* fork_beside WHAT [LIBRARY]: forks while other threads are inside a part of libc that allocates
   under a lock of its own. If fork takes that lock, or something that waits for it, after the
   allocator's handlers, then one waits for the other. Every child allocates and leaves.
   LIBRARY has constructors that allocate; it is opened and closed. */
#include "check.h"
#include <dlfcn.h>
#include <glob.h>
#include <grp.h>
#include <iconv.h>
#include <locale.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <regex.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <wordexp.h>

enum { FORKS = 60, THREADS = 2 };

static atomic_int stop;
static const char *library;
extern char **environ;

static void wait_for(pid_t child)
{
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && status == 0, "%#x", (unsigned)status);
}

static void some_memory(void)
{
    for (size_t n = 1; n < 1 << 20; n = n * 3 + 7) {
        char *p = malloc(n);
        CHECK(p != NULL);
        p[0] = p[n - 1] = 1;
        free(p);
    }
}

static ssize_t write_it(void *unused, const char *bytes, size_t count)
{
    (void)unused;
    (void)bytes;
    some_memory();
    return (ssize_t)count;
}

static FILE *a_stream(void)
{
    FILE *file = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write_it});
    CHECK(file != NULL && fputs("hello", file) >= 0);
    return file;
}

static void streams(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char *line = NULL;
    size_t size = 0;
    CHECK(file != NULL && getline(&line, &size, file) > 0);
    CHECK(fclose(file) == 0);
    free(line);
    char *text = NULL;
    file = open_memstream(&text, &size);
    CHECK(file != NULL && fprintf(file, "%2$s %1$100d", 1, "hello") > 0);
    CHECK(fclose(file) == 0 && size > 100);
    free(text);
    file = a_stream();
    CHECK(fflush(NULL) == 0 && fclose(file) == 0);
}

static void names(void)
{
    CHECK(getpwnam("root") != NULL);
    (void)getpwnam("nobody of that name");
    (void)getgrnam("root");
    (void)getservbyname("http", "tcp");
    struct addrinfo *found = NULL;
    const struct addrinfo numbers = {.ai_flags = AI_NUMERICHOST};
    CHECK(getaddrinfo("127.0.0.1", "80", &numbers, &found) == 0);
    freeaddrinfo(found);
    if (getaddrinfo("localhost", NULL, NULL, &found) == 0)
        freeaddrinfo(found);
}

static void loader(void)
{
    void *handle = dlopen(library, RTLD_NOW);
    CHECK(handle != NULL, "%s", dlerror());
    CHECK(dlsym(handle, "is_loaded") != NULL);
    CHECK(dlclose(handle) == 0);
    CHECK(dlopen("/no/library/of/that/name.so", RTLD_NOW) == NULL && dlerror() != NULL);
}

static void locales(void)
{
    CHECK(setlocale(LC_ALL, "C.UTF-8") != NULL);
    locale_t new = newlocale(LC_ALL_MASK, "C.UTF-8", NULL);
    CHECK(new != NULL);
    freelocale(duplocale(new));
    freelocale(new);
    CHECK(setlocale(LC_ALL, "C") != NULL);
    iconv_t made = iconv_open("UTF-16", "ISO-8859-1");
    if (made != (iconv_t)-1)
        iconv_close(made);
}

static void zones(void)
{
    static const char *const zone[] = {"UTC", "Europe/Berlin", "CET-1CEST"};
    static atomic_int next;
    CHECK(setenv("TZ", zone[atomic_fetch_add(&next, 1) % 3], 1) == 0);
    tzset();
    time_t now = 0;
    struct tm parts;
    char text[64];
    CHECK(localtime_r(&now, &parts) != NULL && strftime(text, sizeof text, "%c %Z", &parts) > 0);
    CHECK(mktime(&parts) != -2);
}

static void environment(void)
{
    char name[32];
    snprintf(name, sizeof name, "NAME_%x", (unsigned)(uintptr_t)pthread_self() % 977);
    char *value = malloc(5000);
    CHECK(value != NULL);
    memset(value, 'x', 4999);
    value[4999] = 0;
    CHECK(setenv(name, value, 1) == 0 && unsetenv(name) == 0);
    free(value);
}

static void log_on(void)
{
    openlog("fork_beside", LOG_NDELAY, LOG_USER);
    syslog(LOG_DEBUG, "%500s", "nobody reads this");
    closelog();
}

static void commands(void)
{
    FILE *pipe = popen("echo hello", "r");
    char line[32] = "";
    CHECK(pipe != NULL);
    CHECK(fgets(line, sizeof line, pipe) != NULL && strcmp(line, "hello\n") == 0);
    CHECK(pclose(pipe) == 0);
    char *const nothing[] = {"true", NULL};
    pid_t child;
    CHECK(posix_spawnp(&child, "true", NULL, NULL, nothing, environ) == 0);
    wait_for(child);
    CHECK(system("true") == 0);
}

static void words(void)
{
    wordexp_t words;
    CHECK(wordexp("$HOME/* a 'b c' ~root", &words, WRDE_NOCMD) == 0);
    wordfree(&words);
    glob_t found;
    if (glob("/e*/pass*", 0, NULL, &found) == 0)
        globfree(&found);
    regex_t expression;
    CHECK(regcomp(&expression, "^(a|b)*[[:alpha:]]{2,20}$", REG_EXTENDED) == 0);
    CHECK(regexec(&expression, "ababxy", 0, NULL, 0) == 0);
    regfree(&expression);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(int));
}

static void sorting(void)
{
    enum { LENGTH = 5000 };
    int *numbers = malloc(LENGTH * sizeof *numbers);
    CHECK(numbers != NULL);
    for (int i = 0; i < LENGTH; i++)
        numbers[i] = i * 7919 % LENGTH;
    qsort(numbers, LENGTH, sizeof *numbers, compare);
    free(numbers);
}

static void *nothing(void *unused)
{
    some_memory();
    return unused;
}

static void threads(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, nothing, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void forks(void)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        some_memory();
        _exit(0);
    }
    wait_for(child);
}

static void ignore(void)
{
}

/* Handlers of fork and of exit, whose lists grow. Not beyond what libc has room for without
   allocating under the lock that fork takes: README, "What is not". */
static void registrations(void)
{
    static atomic_int count;
    if (atomic_fetch_add(&count, 1) < 30)
        CHECK(pthread_atfork(ignore, ignore, ignore) == 0);
    if (atomic_load(&count) < 20000)
        CHECK(atexit(ignore) == 0);
    some_memory();
}

static void (*const all[])(void) = {streams, names, loader, locales, zones, environment, log_on,
                                    commands, words, sorting, threads, forks, registrations};
static const char *const name[] = {"streams", "names", "loader", "locales", "zones", "environment",
                                   "log", "commands", "words", "sorting", "threads", "forks",
                                   "registrations"};

static void *work_on(void *work)
{
    while (!atomic_load(&stop))
        (*(void (*const *)(void))work)();
    return NULL;
}

static void fork_one(void)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(60);
        some_memory();
        _exit(0);
    }
    wait_for(child);
}

static void *fork_on(void *unused)
{
    for (;;)
        fork_one();
    return unused;
}

/* exit flushes all streams, one of which allocates, while another thread forks. */
static void exits(void)
{
    for (int i = 0; i < FORKS; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(60);
            pthread_t thread;
            for (int j = 0; j < 20; j++)
                a_stream();
            CHECK(pthread_create(&thread, NULL, fork_on, NULL) == 0);
            usleep((useconds_t)(i * 100));
            exit(0);
        }
        wait_for(child);
    }
}

int main(int argc, char **argv)
{
    CHECK(argc >= 2);
    library = argc > 2 ? argv[2] : NULL;
    if (strcmp(argv[1], "exits") == 0) {
        exits();
        return 0;
    }
    size_t which = 0;
    while (strcmp(name[which], argv[1]) != 0)
        CHECK(++which < sizeof name / sizeof *name, "%s", argv[1]);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work_on, (void *)&all[which]) == 0);
    for (int i = 0; i < FORKS; i++)
        fork_one();
    atomic_store(&stop, 1);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}
