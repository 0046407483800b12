/* The system is short of memory, as systemd's protocol says it: what is free
   goes back at once, though no time would take it (CAIRN_PURGE_DELAY is long).
   Arguments: what is watched (pipe, socket, file, null), and a path for it. The
   program runs itself again with the variables set, and is the other side of
   what is watched meanwhile. Of a file only that it gets what is to be written:
   the kernel's own say nothing on order. */
#include "background/background.h"
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define WRITTEN "some 200000 2000000"
#define CODED "c29tZSAyMDAwMDAgMjAwMDAwMAA="

enum { BYTES = 64 << 20, PIECE = 5000, LEFT_KIB = 8 << 10 };

static long use_and_free(void)
{
    static void *all[BYTES / PIECE];
    long before = resident_kib();
    for (int i = 0; i < BYTES / PIECE; i++) {
        all[i] = malloc(PIECE);
        CHECK(all[i] != NULL);
        memset(all[i], 1, PIECE);
    }
    for (int i = 0; i < BYTES / PIECE; i++)
        free(all[i]);
    return before;
}

/* Whether the process has this open. */
static int has_open(const char *path)
{
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;
    int found = 0;
    while ((entry = readdir(folder)) != NULL) {
        char link[64], to[4096] = "";
        snprintf(link, sizeof link, "/proc/self/fd/%s", entry->d_name);
        ssize_t length = readlink(link, to, sizeof to - 1);
        found |= length > 0 && strcmp(to, path) == 0;
    }
    closedir(folder);
    return found;
}

static void watched(const char *kind, const char *path)
{
    keep_company();
    long before = use_and_free();
    ask_slowly();
    WAIT_FOR(background_thread() != 0, PATIENCE);
    if (strcmp(kind, "file") == 0) {
        WAIT_FOR(has_open(path), PATIENCE);
        char text[64];
        WAIT_FOR(pread(open(path, O_RDONLY), text, sizeof text, 0) == sizeof WRITTEN, PATIENCE);
        CHECK(memcmp(text, WRITTEN, sizeof WRITTEN) == 0);
    } else if (strcmp(kind, "null") != 0) {
        WAIT_FOR(resident_kib() - before <= LEFT_KIB, PATIENCE, "%ld KiB are resident", resident_kib());
        /* The child of a fork has nothing of it. */
        pid_t child = fork();
        if (child == 0) {
            CHECK(!has_open(path));
            _exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0, "%x", status);
        /* It is watched on. */
        before = use_and_free();
        WAIT_FOR(resident_kib() - before <= LEFT_KIB, PATIENCE, "%ld KiB are resident", resident_kib());
        return;
    }
    usleep(500000);
    CHECK(resident_kib() - before > LEFT_KIB, "%ld KiB are resident: it went by itself", resident_kib());
}

/* The other side: reads what is written first, and says again and again that
   memory is short, until the child has ended. */
static int tell(int to, int first, pid_t child)
{
    if (first) {
        char text[64];
        ssize_t got = read(to, text, sizeof text);
        CHECK(got == sizeof WRITTEN && memcmp(text, WRITTEN, sizeof WRITTEN) == 0, "%zd bytes", got);
    }
    int status;
    while (waitpid(child, &status, WNOHANG) == 0) {
        /* The thread may be about to leave. */
        if (write(to, "!", 1) < 0)
            CHECK(errno == EPIPE || errno == EAGAIN || errno == ENXIO);
        usleep(100000);
    }
    return status != 0;
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    const char *kind = argv[1], *path = argv[2];
    if (getenv("MEMORY_PRESSURE_WATCH") != NULL) {
        watched(kind, path);
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    unlink(path);
    int listener = -1, null = strcmp(kind, "null") == 0;
    if (strcmp(kind, "pipe") == 0)
        CHECK(mkfifo(path, 0600) == 0);
    else if (strcmp(kind, "file") == 0)
        CHECK(close(open(path, O_CREAT | O_WRONLY, 0600)) == 0);
    else if (strcmp(kind, "socket") == 0) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        strncpy(address.sun_path, path, sizeof address.sun_path - 1);
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1) == 0);
    }
    pid_t child = fork();
    if (child == 0) {
        setenv("MEMORY_PRESSURE_WATCH", null ? "/dev/null" : path, 1);
        /* What is written into a pipe comes back to who wrote it. */
        if (strcmp(kind, "pipe") != 0)
            setenv("MEMORY_PRESSURE_WRITE", CODED, 1);
        execv("/proc/self/exe", argv);
        _exit(1);
    }
    int result;
    if (listener >= 0)
        result = tell(accept(listener, NULL, NULL), 1, child);
    else if (strcmp(kind, "pipe") == 0)
        result = tell(open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC), 0, child);
    else
        CHECK(waitpid(child, &result, 0) == child);
    unlink(path);
    return result != 0;
}
