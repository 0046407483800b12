/* What the programs of this folder share: a failed check prints one line and
   ends the process with status 1; patterns make lost or shared memory visible. */
#ifndef CHECK_H
#define CHECK_H

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The line is built and written without the allocator, so that a check may
   fail in a forked child, in a handler, or with memory exhausted. */
static inline void fail_at(const char *file, int line, const char *what)
{
    char text[256];
    int length = snprintf(text, sizeof text, "%s:%d: %s\n", file, line, what);
    if (length > (int)sizeof text)
        length = sizeof text;
    if (write(2, text, (size_t)length) < 0)
        _exit(2);
    _exit(1);
}

#define CHECK(condition)                                   \
    do {                                                   \
        if (!(condition))                                  \
            fail_at(__FILE__, __LINE__, "not so: " #condition); \
    } while (0)

/* Says whose malloc the program calls: under preload it must be Cairn's. */
static inline void check_served(void)
{
    const char *preload = getenv("LD_PRELOAD");
    if (preload == NULL || strstr(preload, "libcairn") == NULL)
        return;
    Dl_info where;
    CHECK(dladdr(dlsym(RTLD_DEFAULT, "malloc"), &where) != 0);
    CHECK(strstr(where.dli_fname, "libcairn") != NULL);
}

/* A small generator of its own, so that a run can be repeated. */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Mostly small, sometimes up to 64 KiB, seldom a mapped chunk. */
static inline size_t some_size(uint64_t *state)
{
    uint64_t r = next_random(state);
    if (r % 997 == 0)
        return 130000 + r % 300000;
    if (r % 31 == 0)
        return 1000 + (r >> 8) % 64000;
    return 1 + (r >> 8) % 500;
}

/* Every byte depends on the seed, so that two owners of one byte are seen. */
static inline void fill(void *memory, size_t size, unsigned seed)
{
    memset(memory, (int)(seed * 37 + 11) & 0xff, size);
    if (size >= sizeof seed)
        memcpy(memory, &seed, sizeof seed);
}

static inline int is_filled(const void *memory, size_t size, unsigned seed)
{
    const unsigned char *bytes = memory;
    size_t at = 0;
    if (size >= sizeof seed) {
        if (memcmp(memory, &seed, sizeof seed) != 0)
            return 0;
        at = sizeof seed;
    }
    unsigned char byte = (unsigned char)((seed * 37 + 11) & 0xff);
    /* Each byte is the one before it: as fast as libc is. */
    return at == size || (bytes[at] == byte && memcmp(bytes + at, bytes + at + 1, size - at - 1) == 0);
}

/* Resident memory of this process in KiB, read without the allocator. */
static inline long resident_kib(void)
{
    char text[128];
    long pages = 0;
    int file = open("/proc/self/statm", O_RDONLY);
    if (file < 0)
        return -1;
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    if (length <= 0)
        return -1;
    text[length] = 0;
    const char *second = strchr(text, ' ');
    if (second == NULL)
        return -1;
    for (second++; *second >= '0' && *second <= '9'; second++)
        pages = pages * 10 + (*second - '0');
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* A round of allocations of many sizes, contents checked, all freed again. */
static inline void churn(unsigned seed, int rounds)
{
    enum { SLOTS = 64 };
    void *slots[SLOTS] = {0};
    size_t sizes[SLOTS] = {0};
    unsigned seeds[SLOTS] = {0};
    uint64_t state = seed * 2654435761u + 88172645463325252u;
    for (int round = 0; round < rounds; round++) {
        int at = (int)(next_random(&state) % SLOTS);
        if (slots[at] != NULL) {
            CHECK(is_filled(slots[at], sizes[at], seeds[at]));
            free(slots[at]);
        }
        sizes[at] = some_size(&state);
        seeds[at] = seed + (unsigned)round;
        slots[at] = malloc(sizes[at]);
        CHECK(slots[at] != NULL);
        fill(slots[at], sizes[at], seeds[at]);
    }
    for (int at = 0; at < SLOTS; at++)
        if (slots[at] != NULL) {
            CHECK(is_filled(slots[at], sizes[at], seeds[at]));
            free(slots[at]);
        }
}

/* The child must end by itself and with status 0. */
static inline void check_child(pid_t child)
{
    int status = 0;
    pid_t waited;
    do
        waited = waitpid(child, &status, 0);
    while (waited < 0 && errno == EINTR);
    CHECK(waited == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}

#endif
