/* What the adversarial programs share. A case prepares, operates, and checks; only what it does
 * between is measured. It is called with a factor: at 1, 4 and 16 times its size the cost of an
 * operation is to stay what it was.
 *
 * PROGRAM CASE FACTOR writes one line: operations, page faults, microseconds of CPU time, KiB of
 * anonymous memory that are resident beyond the live bytes, and of address space that came.
 * PROGRAM list writes the names of the cases. */
#ifndef ADVERSARIAL_H
#define ADVERSARIAL_H

#include "../bench.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct adversarial {
    const char *name;
    /* Brings the heap into the state that is bad for the operations. */
    void (*prepare)(size_t factor);
    /* The measured part; the number of operations. */
    size_t (*operate)(size_t factor);
    /* Compares the bytes of what is live. */
    void (*check)(size_t factor);
};

/* Bytes that the program has at the end of the measured part and has written to. */
static size_t live;

/* Who follows the program (c-tests/counts/between.c) counts system calls between begin and end, and
 * the most between two laps. The kernel knows no such option and does nothing. */
enum { BEGIN = 0x6d61726b, END, LAP };

static inline void mark(int which)
{
    prctl(which, 0, 0, 0, 0);
}

/* One object that a case keeps. */
struct kept {
    unsigned char *p;
    size_t size;
};

static inline struct kept keep(size_t size, uint64_t value)
{
    struct kept k = {must(malloc(size)), size};
    fill(k.p, size, value);
    return k;
}

static inline void drop(struct kept *k)
{
    free(k->p);
    k->p = NULL;
}

/* Keeps two chunks of the heap apart: of a size that no cache has ready in batches, which would lie
 * side by side. */
static inline void separate(void)
{
    keep(33000, 1);
    live += 33000;
}

/* What fill() wrote must be there. */
static inline void expect(const void *p, size_t size, uint64_t value)
{
    const unsigned char *bytes = p;
    int whole = bytes[size - 1] == (unsigned char)(value >> 8);
    if (size > 1)
        whole &= bytes[0] == (unsigned char)value;
    if (!whole) {
        fputs("a byte of a live object changed\n", stderr);
        exit(1);
    }
}

/* An array for a case's own use that the allocator under test knows nothing of. */
static inline void *apart(size_t bytes)
{
    extern void *mmap(void *, size_t, int, int, int, long);
    void *at = mmap(NULL, bytes, 3 /* read, write */, 0x22 /* private, anonymous */, -1, 0);
    if (at == (void *)-1)
        exit(1);
    /* Touched now: its faults are not the measured ones. */
    memset(at, 0, bytes);
    live += bytes;
    return at;
}

static inline void pause_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

/* Lets epochs pass: little work for a while. */
static inline void idle_work(unsigned ms)
{
    for (unsigned i = 0; i < ms; i++) {
        volatile char *p = must(malloc(40000));
        p[0] = 1;
        free((void *)p);
        pause_ms(1);
    }
}

/* A field of a file of /proc/self in KiB, read without an allocation. */
static inline long proc_kib(const char *path, const char *field)
{
    static char text[8192];
    int file = open(path, O_RDONLY);
    ssize_t n = file < 0 ? 0 : read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    text[n < 0 ? 0 : n] = 0;
    const char *at = strstr(text, field);
    return at == NULL ? 0 : atol(at + strlen(field));
}

static inline long micros(const struct rusage *used)
{
    return (used->ru_utime.tv_sec + used->ru_stime.tv_sec) * 1000000L + used->ru_utime.tv_usec
        + used->ru_stime.tv_usec;
}

/* The most KiB beyond the live bytes that a case has seen itself. */
static long seen_peak;

static inline void note_peak(void)
{
    long now = proc_kib("/proc/self/smaps_rollup", "\nAnonymous:") - (long)(live / 1024);
    seen_peak = now > seen_peak ? now : seen_peak;
}

/* Of its own name, so that callgrind can count what it does and nothing else. */
__attribute__((noinline)) size_t adversarial_operate(const struct adversarial *c, size_t factor)
{
    size_t operations = c->operate(factor);
    __asm__ volatile("" ::: "memory");
    return operations;
}

static inline int adversarial(int argc, char **argv, const struct adversarial *cases, size_t count)
{
    size_t factor = argument(argc, argv, 2, 1);
    if (argc > 1 && strcmp(argv[1], "list") == 0) {
        for (size_t i = 0; i < count; i++)
            puts(cases[i].name);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        const struct adversarial *c = &cases[i];
        if (argc < 2 || strcmp(argv[1], c->name) != 0)
            continue;
        c->prepare(factor);
        struct rusage before, after;
        long space = proc_kib("/proc/self/status", "\nVmSize:");
        getrusage(RUSAGE_SELF, &before);
        mark(BEGIN);
        size_t operations = adversarial_operate(c, factor);
        mark(END);
        getrusage(RUSAGE_SELF, &after);
        note_peak();
        space = proc_kib("/proc/self/status", "\nVmSize:") - space;
        c->check(factor);
        printf("%zu %ld %ld %ld %ld\n", operations, after.ru_minflt - before.ru_minflt,
               micros(&after) - micros(&before), seen_peak, space);
        return 0;
    }
    fputs("no such case\n", stderr);
    return 2;
}

#define CASE(name) {#name, name##_prepare, name##_operate, name##_check}
#define CASES(...) \
    int main(int argc, char **argv) \
    { \
        static const struct adversarial cases[] = {__VA_ARGS__}; \
        return adversarial(argc, argv, cases, sizeof cases / sizeof *cases); \
    }

#endif
