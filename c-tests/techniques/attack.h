/* What the published techniques share. The attacker here knows Cairn's layout
   and may write any word of it that a bug reaches, but not the secret: a tag is
   guessed, copied from elsewhere, or one that the heap left behind.

   A ledger of what is live proves "harmless": nothing that malloc gives out
   overlaps it or lies in the program's own memory, what was filled keeps its
   bytes, and the targets keep theirs. */
#ifndef CAIRN_ATTACK_H
#define CAIRN_ATTACK_H

#include "check.h"
#include <fcntl.h>
#include <pthread.h>

/* Says it without dprintf, which allocates: on a heap that is lost already that
   would end the process with a message, as if the technique had been stopped. */
#undef CHECK
#define CHECK(promise, ...)                                                     \
    do {                                                                        \
        if (!(promise)) {                                                       \
            char line[256];                                                     \
            int n = snprintf(line, sizeof line, "%s:%d: broken: %s", __FILE__, __LINE__, #promise); \
            n += snprintf(line + n, sizeof line - (size_t)n, " " __VA_ARGS__);   \
            line[n++] = '\n';                                                   \
            _exit(write(2, line, (size_t)n) == n ? 1 : 2);                       \
        }                                                                       \
    } while (0)

enum { LIVE = 8192, WORDS = 64 };

/* What a technique wants to write or to be given; the canaries catch a miss. */
struct target {
    uint64_t before[8], words[WORDS], after[8];
} __attribute__((aligned(64)));

__attribute__((unused)) static struct target in_data = { { 1 }, { 2 }, { 3 } };
static struct target *watched[2], kept[2];

static struct {
    unsigned char *p;
    size_t n;
    int filled;
} live[LIVE];
static int lives;

extern char **environ;
static unsigned char *stack_end; /* of the thread that attacks */
extern char __data_start, _end;

/* From here on no byte of the target may change. */
static inline void watch(int which, struct target *t)
{
    watched[which] = t;
    kept[which] = *t;
}

static inline unsigned char pattern(const void *p)
{
    return (unsigned char)((uintptr_t)p >> 4) | 1;
}

/* Enters what malloc gave; it must be nobody's. */
static inline void *enter(void *given, size_t n, int fill)
{
    unsigned char *p = opaque(given), *here = __builtin_frame_address(0);
    CHECK(p != NULL && lives < LIVE);
    CHECK((uintptr_t)p % 16 == 0, "at %p", (void *)p);
    CHECK(p >= (unsigned char *)&_end || p + n <= (unsigned char *)&__data_start, "at %p", (void *)p);
    CHECK(p + n <= here || p >= (stack_end ? stack_end : (unsigned char *)environ), "at %p", (void *)p);
    for (int i = 0; i < lives; i++)
        CHECK(p + n <= live[i].p || live[i].p + live[i].n <= p, "%p and %p", (void *)p, (void *)live[i].p);
    if (fill)
        memset(p, pattern(p), n);
    live[lives].p = p;
    live[lives].n = n;
    live[lives++].filled = fill;
    return p;
}

/* Memory of somebody else: no byte of it may change. */
static inline void *take(size_t n)
{
    return enter(malloc(n), n, 1);
}

/* Memory of the attacker's, as malloc gave it. */
static inline unsigned char *take_raw(size_t n)
{
    return enter(malloc(n), n, 0);
}

static inline void check_filled(int i)
{
    /* Quick where all is well: each byte is the first one, and so is that. */
    if (live[i].filled && (live[i].p[0] != pattern(live[i].p) || memcmp(live[i].p, live[i].p + 1, live[i].n - 1) != 0))
        for (size_t j = 0; j < live[i].n; j++)
            CHECK(live[i].p[j] == pattern(live[i].p), "at %p", (void *)(live[i].p + j));
}

static inline void drop(void *p)
{
    for (int i = 0; i < lives; i++)
        if (live[i].p == p) {
            check_filled(i);
            live[i] = live[--lives];
            break;
        }
    free(opaque(p));
}

static inline void check_targets(void)
{
    for (int i = 0; i < 2; i++)
        if (watched[i])
            CHECK(memcmp(watched[i], &kept[i], sizeof kept[i]) == 0);
}

/* The technique ran to its end: works on, so that all the heap's words are
   used again, and looks whether anything was given twice or written. */
static inline int settle_in(int rounds)
{
    static const size_t sizes[] = { 24, 48, 100, 200, 400, 1000, 5000, 30000, 50000, 100000 };
    for (int round = 0; round < rounds; round++) {
        void *mine[400];
        for (int i = 0; i < 400; i++)
            mine[i] = take(sizes[(size_t)(i * 7 + round) % 10]);
        for (int i = 0; i < 400; i++)
            drop(mine[i * 7 % 400]);
        malloc_trim(0);
    }
    for (int i = 0; i < lives; i++)
        check_filled(i);
    check_targets();
    return 0;
}
static inline int settle(void)
{
    return settle_in(3);
}

/* Leaves behind the requests that are chunks also where runs would serve them. */
static inline void warm(size_t n)
{
    for (int i = 0; i < 64; i++)
        take(n);
}

/* The words of a chunk, by its payload. */
static inline uint32_t *size_word(void *p)
{
    return (uint32_t *)((char *)p - 8);
}
static inline uint32_t *tag(void *p)
{
    return (uint32_t *)((char *)p - 4);
}
/* Forward and backward, while it is free in a bin. */
static inline uint64_t *links(void *p)
{
    return p;
}
/* Of the chunk in front, while that is free; else its payload's last word. */
static inline uint64_t *prev_size(void *p)
{
    return (uint64_t *)((char *)p - 16);
}
static inline uint64_t address(void *p)
{
    return (uintptr_t)p;
}

/* The header of the chunk behind; usable bytes reach up to it. */
static inline void *behind(void *p)
{
    return (char *)p + malloc_usable_size(p) + 8;
}

/* Frees so that the chunk leaves every cache and stack and lies in a bin,
   unless it is an object of a run. */
static inline void to_bin(void *p)
{
    drop(p);
    malloc_trim(0);
}

/* Frees two neighbours so that they merge, and takes the whole: what the heap
   left where the second began is inside, untouched. Up to a page in all: a trim
   gives the whole pages of larger free chunks back; and those above 32 KiB are
   in no cache. */
static inline unsigned char *merge(unsigned char *front, unsigned char *inner)
{
    size_t n = malloc_usable_size(front);
    CHECK(inner == front + n + 8);
    drop(inner);
    drop(front);
    if (n < 2000)
        malloc_trim(0);
    unsigned char *whole = take_raw(2 * n + 8);
    CHECK(whole == front);
    return whole;
}

/* With -DIN_A_THREAD the technique runs in a second thread, whose heap is not
   the break but a reservation, of an arena of its own where there are two CPUs. */
#ifdef IN_A_THREAD
static struct {
    int argc, status;
    char **argv;
} call;
int technique(int argc, char **argv);
static void *second_thread(void *unused)
{
    stack_end = (unsigned char *)__builtin_frame_address(0) + 64;
    take(400); /* what no cache serves does not give a thread its arena */
    call.status = technique(call.argc, call.argv);
    return unused;
}
int main(int argc, char **argv)
{
    pthread_t thread;
    call.argc = argc;
    call.argv = argv;
    CHECK(pthread_create(&thread, NULL, second_thread, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    return call.status;
}
#define main technique
#endif

static inline size_t size_arg(char **argv)
{
    return strtoul(argv[1], NULL, 0);
}
static inline int is(char **argv, const char *how)
{
    return strcmp(argv[2], how) == 0;
}

#endif
