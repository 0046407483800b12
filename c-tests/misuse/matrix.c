/* Usage: matrix SIZE FAMILY ARGUMENT...
   One misuse of one size; tests/misuse_matrix.rs has the table of what each must
   come to. The families are the functions at the end.

   Five live neighbours of SIZE bytes are found, a v b c d from low to high; v is
   the one that is misused. Their addresses go to stdout, a line each, so that
   the address in a message can be compared. If nothing stops the program it goes
   on, and its ledger finds whether live memory was given twice or written. */
#include "techniques/attack.h"
#include <semaphore.h>
#include <sys/mman.h>

extern void free_sized(void *, size_t) __attribute__((weak));
extern void free_aligned_sized(void *, size_t, size_t) __attribute__((weak));
/* C++'s operator delete(void *, size_t). */
extern void _ZdlPvm(void *, size_t) __attribute__((weak));

enum { OWN = 1 << 16 };

static size_t n, usable;
static unsigned char *a, *v, *b, *c, *d, *own_mapping;

static void tell(const char *name, const void *p)
{
    char line[64];
    int len = snprintf(line, sizeof line, "%s 0x%lx\n", name, (unsigned long)(uintptr_t)p);
    CHECK(write(1, line, (size_t)len) == len);
}

static int same(const char *x, const char *y)
{
    return strcmp(x, y) == 0;
}

/* Its bytes are no longer what was filled in. */
static void soil(void *p)
{
    for (int i = 0; i < lives; i++)
        if (live[i].p == p)
            live[i].filled = 0;
}

/* The ledger's entry goes, the memory stays. */
static void *strike(void *p)
{
    for (int i = 0; i < lives; i++)
        if (live[i].p == p) {
            check_filled(i);
            live[i] = live[--lives];
            return opaque(p);
        }
    return opaque(p);
}

static int by_address(const void *x, const void *y)
{
    const unsigned char *p = *(unsigned char *const *)x, *q = *(unsigned char *const *)y;
    return p < q ? -1 : p > q;
}

/* Five that touch: objects of a run without a gap, chunks with a header between
   them, mapped chunks with a page's first 16 bytes. */
static void find_neighbours(void)
{
    enum { MANY = 160 };
    unsigned char *p[MANY];
    int count = n <= 1000 ? MANY : 12;
    for (int i = 0; i < count; i++)
        p[i] = take(n);
    qsort(p, (size_t)count, sizeof *p, by_address);
    for (size_t gap = 0; gap <= 16; gap += 8)
        for (int i = 0; i + 4 < count; i++) {
            int j = 0;
            while (j < 4 && p[i + j] + malloc_usable_size(p[i + j]) + gap == p[i + j + 1])
                j++;
            if (j == 4) {
                a = p[i], v = p[i + 1], b = p[i + 2], c = p[i + 3], d = p[i + 4];
                usable = malloc_usable_size(v);
                return;
            }
        }
    CHECK(!"no five neighbours");
}

/* Frees `p` in a thread that was there before. */
static sem_t told, done;
static void *theirs;
static void *free_when_told(void *unused)
{
    sem_wait(&told);
    free(theirs);
    sem_post(&done);
    sem_wait(&told);
    return unused;
}
static void free_elsewhere(void *p)
{
    theirs = opaque(p);
    sem_post(&told);
    sem_wait(&done);
}

/* Hands `p` to a call that must refuse it, or must not mind. */
static void hand(const char *call, void *p)
{
    p = opaque(p);
    if (same(call, "free"))
        free(p);
    else if (same(call, "realloc"))
        p = realloc(p, any(2 * n + 100));
    else if (same(call, "shrink"))
        p = realloc(p, any(n / 2 + 1));
    else if (same(call, "realloc0"))
        p = realloc(p, any(0));
    else if (same(call, "usable"))
        CHECK(malloc_usable_size(p) < 0);
    else if (same(call, "sized"))
        free_sized(p, n);
    else if (same(call, "aligned"))
        free_aligned_sized(p, 16, n);
    else if (same(call, "delete"))
        _ZdlPvm(p, n);
    else
        CHECK(!"a call");
}

/* Some thousand calls of other sizes. What is given of the memory at `v` is
   freed at once, so that a stale pointer there stays one. */
static void work(void)
{
    static const size_t sizes[] = { 40, 70, 200, 1500, 9000, 60000 };
    void *ring[64] = { 0 };
    for (size_t i = 0; i < 4000; i++) {
        size_t k = i * 13 % 64, size = sizes[i * 5 % 6];
        if (ring[k])
            free(ring[k]);
        unsigned char *p = opaque(malloc(size));
        CHECK(p != NULL);
        ring[k] = p;
        if (p < v + usable && v < p + size) {
            free(p);
            ring[k] = NULL;
        }
    }
    for (size_t k = 0; k < 64; k++)
        free(ring[k]);
}

static void damage(unsigned char *p, size_t bytes, const char *value)
{
    for (size_t i = 0; i < bytes; i++)
        p[i] = same(value, "turned") ? (unsigned char)~p[i]
             : same(value, "zero")   ? 0
             : same(value, "flag")   ? p[i] ^ 1
             : same(value, "ones")   ? 0xff
             : same(value, "longer") ? (unsigned char)(p[i] + 4 * (i == 2))
                                     : ((unsigned char *)&watched[0])[i % 8];
}

static size_t bytes_of(const char *text)
{
    return same(text, "many") ? n + 64 : same(text, "all") ? usable : strtoul(text, NULL, 0);
}

/* As many as were freed, and more: what was damaged is met. */
static void take_again(void)
{
    int count = n > 100000 ? 8 : n > 10000 ? 40 : 300;
    for (int i = 0; i < count; i++)
        take(n);
}

/* double HOW: frees v twice. HOW other than these names the second call. */
static void double_free(char **arg)
{
    const char *how = arg[0];
    if (same(how, "other")) {
        drop(v);
        free_elsewhere(v);
    } else if (same(how, "first")) {
        free_elsewhere(strike(v));
        free(opaque(v));
    } else if (same(how, "moved")) {
        void *moved = realloc(strike(v), any(4 * n + 5000));
        CHECK(moved != NULL && moved != v);
        free(opaque(v));
    } else if (same(how, "merged")) {
        drop(v);
        drop(b);
        malloc_trim(0);
        free(opaque(b));
    } else if (same(how, "late") || same(how, "overwritten") || same(how, "late_overwritten")) {
        drop(v);
        if (!same(how, "late"))
            memset(v, 0x41, usable);
        if (!same(how, "overwritten"))
            work();
        free(opaque(v));
    } else {
        drop(v);
        hand(how, v);
    }
}

/* pointer WHERE CALL: hands over what was never given out. */
static void pointer(char **arg)
{
    const char *where = arg[0];
    uint64_t local[64] __attribute__((aligned(16)));
    unsigned char *p;
    memset(local, 0, sizeof local);
    memset(v, 0x5a, usable);
    soil(v);
    if (same(where, "stack"))
        p = (unsigned char *)&local[8];
    else if (same(where, "global"))
        p = (unsigned char *)&in_data.words[8];
    else if (same(where, "mapping"))
        p = own_mapping + 4096;
    else if (same(where, "middle"))
        p = v + (n / 2 + 15) / 16 * 16;
    else if (same(where, "last"))
        p = v + (usable - 1) / 16 * 16;
    else if (same(where, "zeroed")) {
        memset(v, 0, usable);
        p = v + 16;
    } else if (same(where, "copied")) {
        /* With a whole header in front, a live chunk's. */
        memcpy(v + 8, v - 8, 8);
        p = v + 16;
    } else if (where[0] == '+' || where[0] == '-')
        p = v + strtol(where, NULL, 0);
    else
        p = opaque((void *)strtoul(where, NULL, 0));
    tell("p", p);
    hand(arg[1], p);
    CHECK(local[0] == 0);
}

/* What the program does once a header may be damaged. */
static void go_on(const char *then)
{
    if (same(then, "free_v"))
        free(strike(v));
    else if (same(then, "free_b"))
        free(strike(b));
    else if (same(then, "free_a"))
        free(strike(a));
    else if (same(then, "usable_v"))
        CHECK(malloc_usable_size(v) == usable);
    else if (same(then, "usable_b"))
        CHECK(malloc_usable_size(b) == usable);
    else if (same(then, "grow_v"))
        enter(realloc(strike(v), any(n + n / 2 + 64)), n + n / 2 + 64, 0);
    else if (same(then, "grow_a"))
        enter(realloc(strike(a), any(n + n / 2 + 64)), n + n / 2 + 64, 0);
    else if (same(then, "grow_b"))
        enter(realloc(strike(b), any(n + n / 2 + 64)), n + n / 2 + 64, 0);
    else if (same(then, "shrink_v"))
        enter(realloc(strike(v), any(n / 2)), n / 2, 0);
    else if (same(then, "cached") || same(then, "binned") || same(then, "waiting"))
        take_again();
    else if (same(then, "given_back")) {
        malloc_trim(0);
        take_again();
    } else if (!same(then, "leave"))
        CHECK(!"what then");
}

/* Frees `p` and so many more that no cache holds it: it waits in its arena. */
static void to_wait(void *p)
{
    enum { MORE = 400 };
    void *more[MORE];
    for (int i = 0; i < MORE; i++)
        more[i] = malloc(n);
    drop(p);
    for (int i = 0; i < MORE; i++)
        free(more[i]);
}

/* over BYTES VALUE THEN: writes past the end of v. The one behind, b, is live,
   or in the cache, which may have to give it back, or waits in the arena, or is in a bin. */
static void over(char **arg)
{
    const char *then = arg[2];
    soil(v), soil(b), soil(c), soil(d);
    int freed = same(then, "cached") || same(then, "given_back") || same(then, "binned")
                || same(then, "binned_free_v");
    if (freed)
        drop(b);
    if (same(then, "waiting"))
        to_wait(b);
    if (same(then, "binned") || same(then, "binned_free_v"))
        malloc_trim(0);
    damage(v + usable, bytes_of(arg[0]), arg[1]);
    go_on(same(then, "binned_free_v") ? "free_v" : then);
}

/* under BYTES VALUE THEN: writes below v, which is live, or in the cache, or in
   a bin. */
static void under(char **arg)
{
    const char *then = arg[2];
    soil(v), soil(a);
    size_t bytes = bytes_of(arg[0]), room = (size_t)(v - a);
    bytes = bytes < room ? bytes : room;
    if (same(then, "cached") || same(then, "given_back") || same(then, "binned"))
        drop(v);
    if (same(then, "waiting"))
        to_wait(v);
    if (same(then, "binned"))
        malloc_trim(0);
    damage(v - bytes, bytes, arg[1]);
    go_on(then);
}

/* Whether a program that reads this word in freed memory learns no more than
   what it had: its own bytes, a size, or where its own freed objects were. */
static int is_dull(uint64_t word, const unsigned char *of)
{
    uint64_t own;
    memset(&own, pattern(of), 8);
    return word == own || word < 1ul << 32 || word == address(v) || word == address(d);
}

/* read STATE: looks for links in what is freed. */
static void read_freed(char **arg)
{
    const char *state = arg[0];
    drop(v);
    drop(d);
    if (!same(state, "cached"))
        malloc_trim(0);
    if (same(state, "again")) {
        /* Handed out again, it holds no address at all. */
        for (int i = 0; i < 300; i++) {
            unsigned char *p = take_raw(n);
            if (p == v || p == d)
                for (size_t j = 0; j + 8 <= n; j += 8) {
                    uint64_t word = *(uint64_t *)(p + j), own;
                    memset(&own, pattern(p), 8);
                    CHECK(word == own || word < 1ul << 32, "%lx at %zu", word, j);
                }
        }
        return;
    }
    for (size_t j = 0; j + 8 <= n; j += 8) {
        CHECK(is_dull(*(uint64_t *)(v + j), v), "%lx at %zu of v", *(uint64_t *)(v + j), j);
        CHECK(is_dull(*(uint64_t *)(d + j), d), "%lx at %zu of d", *(uint64_t *)(d + j), j);
    }
    if (same(state, "link")) {
        /* One of the two names the other; whoever frees or resizes what he read there is stopped. */
        uint64_t link = 0;
        for (int i = 0; i < 2; i++)
            for (int j = 0; j < 2; j++)
                if (links(i ? v : d)[j] == address(i ? d : v))
                    link = links(i ? v : d)[j];
        if (link != 0) {
            tell("p", (void *)link);
            hand(arg[1], (void *)link);
        }
    }
}

/* write STATE BYTES VALUE: writes into v after it was freed. */
static void write_freed(char **arg)
{
    drop(d); /* so that v has a neighbour in its list */
    drop(v);
    if (same(arg[0], "binned"))
        malloc_trim(0);
    damage(v, bytes_of(arg[1]), arg[2]);
    take_again();
}

/* size WRONG CALL: gives v back as WRONG bytes, or by that much more or less.
   Of what was shrunk, or cut from a chunk hardly larger, or grew over the one
   behind and took all but 16 bytes of it, the size is right. */
static void size(char **arg)
{
    const char *wrong = arg[0];
    if (same(wrong, "shrunk") || same(wrong, "reused")) {
        n -= 16;
        if (same(wrong, "reused")) {
            drop(v);
            hand(arg[1], malloc(n));
        } else {
            hand(arg[1], realloc(strike(v), any(n)));
        }
        return;
    }
    if (same(wrong, "grown")) {
        drop(b);
        malloc_trim(0);
        n = 2 * usable - 8;
        hand(arg[1], realloc(strike(v), any(n)));
        return;
    }
    n = same(wrong, "half")    ? n / 2
      : same(wrong, "twice")   ? 2 * n
      : same(wrong, "fits")    ? n
      : wrong[0] == '+'        ? n + strtoul(wrong + 1, NULL, 0)
      : wrong[0] == '-'        ? n - strtoul(wrong + 1, NULL, 0)
                               : strtoul(wrong, NULL, 0);
    hand(arg[1], strike(v));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(char **);
    } families[] = {
        { "double", double_free }, { "pointer", pointer },   { "over", over }, { "under", under },
        { "read", read_freed },    { "write", write_freed }, { "size", size },
    };
    struct target t = { { 0 } };
    pthread_t other;
    n = size_arg(argv);
    CHECK(free_sized != NULL && free_aligned_sized != NULL && _ZdlPvm != NULL);
    watch(0, &in_data);
    watch(1, &t);
    own_mapping = mmap(NULL, OWN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(own_mapping != MAP_FAILED);
    memset(own_mapping, 0x77, OWN);
    CHECK(sem_init(&told, 0, 0) == 0 && sem_init(&done, 0, 0) == 0);
    CHECK(pthread_create(&other, NULL, free_when_told, NULL) == 0);
    find_neighbours();
    tell("a", a), tell("v", v), tell("b", b), tell("c", c), tell("d", d);

    size_t asked = n, i = 0;
    while (i < sizeof families / sizeof *families && !same(families[i].name, argv[2]))
        i++;
    CHECK(i < sizeof families / sizeof *families && argc > 3);
    families[i].run(argv + 3);
    n = asked;
    take_again();
    int status = settle_in(1);
    CHECK(own_mapping[0] == 0x77 && memcmp(own_mapping, own_mapping + 1, OWN - 1) == 0);
    return status;
}
