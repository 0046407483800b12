/* Threads that come and go, each allocating in many sizes, freeing what the one
   before it left, and leaving some for the next: one after another ("single"),
   or fifty at a time ("waves"). What is resident after a trim, page by page,
   and the address space are after the last what they were after the first hundred.

   All threads of a wave wait for each other with a cache of their own: what fifty at once need
   is needed by the first fifty. Otherwise it is chance how many live at once, and the wave in
   which the most do comes late (1 MiB, for as many caches and an arena, at any time). */
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

enum { SINGLE = 10000, WAVES = 100, WIDTH = 50, SETTLED = 100, OBJECTS = 60, LEFT = 8, SLOTS = 10 };

static _Atomic(unsigned char *) left[SLOTS][LEFT];

/* The number behind a key in a file of /proc, without an allocation. */
static long read_kib(const char *path, const char *key)
{
    static char text[8192];
    int file = open(path, O_RDONLY);
    CHECK(file >= 0);
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    CHECK(length > 0);
    text[length] = 0;
    const char *at = strstr(text, key);
    CHECK(at != NULL, "%s", key);
    return atol(at + strlen(key));
}

/* The same again for each hundred threads, so that as much is left by the last ones. */
static size_t size_of(size_t number, size_t i)
{
    static const size_t most[] = {16, 64, 128, 400, 1000, 4000, 30000, 200000};
    size_t limit = most[i % (sizeof most / sizeof *most)];
    return limit / 2 + (number % 100 * 37 + i * 11) % (limit / 2) + 1;
}

static pthread_barrier_t all_are_there;

static void *live(void *argument)
{
    size_t number = (uintptr_t)argument;
    free(malloc(any(1)));
    pthread_barrier_wait(&all_are_there);
    unsigned char *own[OBJECTS];
    for (size_t i = 0; i < OBJECTS; i++) {
        size_t n = size_of(number, i);
        own[i] = i % 5 == 0 ? calloc(1, n) : i % 7 == 0 ? memalign(256, n) : malloc(n);
        CHECK(own[i] != NULL);
        memset(own[i], (int)i, n);
    }
    for (size_t i = 0; i < LEFT; i++) {
        unsigned char *old = atomic_exchange(&left[number % SLOTS][i], own[i]);
        CHECK(old == NULL || old[0] == (unsigned char)i);
        free(old);
    }
    for (size_t i = LEFT; i < OBJECTS; i++) {
        if (i % 9 == 0)
            own[i] = realloc(own[i], size_of(number, i) * 2);
        CHECK(own[i] != NULL && own[i][0] == (unsigned char)i);
        free(own[i]);
    }
    return NULL;
}

/* Threads side by side do not do the same twice: they get a little. */
static long resident, space, more_kib = 256, more_space_kib = 1024;

static void look(const char *when, int settled)
{
    malloc_trim(0);
    long now = read_kib("/proc/self/smaps_rollup", "\nAnonymous:");
    long now_space = read_kib("/proc/self/status", "\nVmSize:");
    if (settled) {
        resident = now > resident ? now : resident;
        space = now_space > space ? now_space : space;
        return;
    }
    CHECK(now <= resident + more_kib, "%s: %ld KiB anonymous, before %ld", when, now, resident);
    CHECK(now_space <= space + more_space_kib, "%s: %ld KiB of space, before %ld", when, now_space, space);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    int waves = strcmp(argv[1], "waves") == 0;
    int width = waves ? WIDTH : 1, rounds = waves ? WAVES : SINGLE;
    if (waves) {
        more_kib = 512;
        more_space_kib = 16384;
    }
    CHECK(pthread_barrier_init(&all_are_there, NULL, (unsigned)width) == 0);
    pthread_attr_t little;
    CHECK(pthread_attr_init(&little) == 0);
    /* Where pages are larger libc asks for more. */
    long least = sysconf(_SC_THREAD_STACK_MIN);
    CHECK(pthread_attr_setstacksize(&little, least > 64 * 1024 ? (size_t)least : 64 * 1024) == 0);
    for (int round = 0; round < rounds; round++) {
        pthread_t threads[WIDTH];
        for (int i = 0; i < width; i++) {
            void *number = (void *)(uintptr_t)(round * width + i);
            CHECK(pthread_create(&threads[i], &little, live, number) == 0);
        }
        for (int i = 0; i < width; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
        int done = (round + 1) * width;
        if (done == SETTLED || done % (rounds * width / 10) == 0)
            look("after threads", done <= SETTLED);
    }
    return 0;
}
