/* Adversarial: memory on its way back to the kernel. */
#define _GNU_SOURCE
#include "adversarial.h"

enum { CHUNK = 100 << 10, MIB = 1 << 20 };

static struct kept *all;
static size_t count;

static void keep_all(size_t n, size_t size)
{
    all = apart(n * sizeof *all);
    count = n;
    for (size_t i = 0; i < n; i++)
        all[i] = keep(size, i);
    live += n * size;
}

static void drop_every(size_t from, size_t step)
{
    for (size_t i = from; i < count; i += step) {
        live -= all[i].size;
        drop(&all[i]);
    }
}

static void check_all(size_t factor)
{
    (void)factor;
    for (size_t i = 0; i < count; i++)
        if (all[i].p != NULL)
            expect(all[i].p, all[i].size, i);
}

static void touch_ends(char *p, size_t size)
{
    p[0] = p[size / 2] = p[size - 1] = 1;
}

static size_t pairs(size_t n, size_t size)
{
    for (size_t i = 0; i < n; i++) {
        char *p = must(malloc(size));
        touch_ends(p, size);
        free(p);
    }
    return n;
}

/* The table's: pairs of an uncached size beside a hole that was given back. */
static void hole_prepare(size_t factor)
{
    keep_all(factor * 100, CHUNK);
    struct kept *survivor = apart(sizeof *survivor);
    *survivor = keep(CHUNK, 1);
    live += CHUNK;
    drop_every(0, 1);
    pause_ms(60);
    /* Until nothing has gone back for longer than three epochs in which hardly anything is done, of
     * 200 ms each, however slow the machine is. */
    long was = 0;
    for (int i = 0, same = 0; i < 4000 && same < 320; i++) {
        pairs(1, 50000);
        pause_ms(2);
        long is = proc_kib("/proc/self/smaps_rollup", "\nAnonymous:");
        same = is == was ? same + 1 : 0;
        was = is;
    }
}

static size_t hole_operate(size_t factor)
{
    (void)factor;
    return pairs(3000, 50000);
}
#define hole_check check_all

/* The same with two sizes of which neither is the last one freed, so that no place of the cache
 * keeps it: State::used and State::vacated in arena/split.rs, by the pages of the hole. */
#define hole_two_prepare hole_prepare
static size_t hole_two_operate(size_t factor)
{
    (void)factor;
    for (size_t i = 0; i < 1500; i++) {
        char *p = must(malloc(50000)), *q = must(malloc(70000));
        touch_ends(p, 50000);
        touch_ends(q, 70000);
        free(p);
        free(q);
    }
    return 3000;
}
#define hole_two_check check_all

/* The table's: large blocks come and go; as many as the factor at a time. */
static void large_prepare(size_t factor)
{
    all = apart(factor * 8 * sizeof *all);
    count = factor * 8;
}

static size_t large_operate(size_t factor)
{
    uint64_t seed = 7;
    size_t n = 400 * factor;
    for (size_t i = 0; i < n; i++) {
        struct kept *k = &all[below(&seed, count)];
        if (k->p != NULL) {
            expect(k->p, k->size, (uint64_t)(k - all));
            live -= k->size;
            drop(k);
        }
        *k = keep(32768 + below(&seed, 480 << 10), (uint64_t)(k - all));
        live += k->size;
    }
    return n;
}
#define large_check check_all

/* The table's: the longest call while every second chunk goes back. The harness counts what lies
 * between two laps. */
static void longest_call_prepare(size_t factor)
{
    keep_all(factor * 800, 12000);
    pause_ms(60);
}

static size_t longest_call_operate(size_t factor)
{
    (void)factor;
    for (size_t i = 0; i < count; i += 2) {
        live -= all[i].size;
        drop(&all[i]);
        mark(LAP);
    }
    for (int i = 0; i < 60; i++) {
        pause_ms(6);
        free(must(malloc(40000 + i * 1000)));
        mark(LAP);
    }
    return count / 2 + 60;
}
#define longest_call_check check_all

/* The table's: a heap that shrank has its second peak. Faults are the second peak's. */
static void second_peak_prepare(size_t factor)
{
    keep_all(factor * 10000, 600);
    drop_every(0, 1);
    malloc_trim(0);
}

static size_t second_peak_operate(size_t factor)
{
    size_t n = factor * 10000;
    for (size_t i = 0; i < n; i++)
        all[i] = keep(600, i);
    live += n * 600;
    return n;
}
#define second_peak_check check_all

/* The table's: what stays of the records after a large span of addresses was used and freed. */
static void records_prepare(size_t factor)
{
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    all = apart(factor * 40 * sizeof *all);
    count = factor * 40;
    for (size_t i = 0; i < count; i++) {
        all[i] = (struct kept){must(malloc(MIB)), MIB};
        all[i].p[0] = 1;
    }
    for (size_t i = 0; i < count; i++)
        drop(&all[i]);
}

static size_t records_operate(size_t factor)
{
    (void)factor;
    malloc_trim(0);
    return 1;
}
#define records_check check_all

/* State::gather in arena/trim.rs: it looks at idle regions until it finds what may go. A threshold
 * set by hand lets all of top stay, so every look is in vain. */
static void kept_top_prepare(size_t factor)
{
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    keep_all(factor * 80, CHUNK);
    drop_every(0, 1);
    pause_ms(60);
}

static size_t kept_top_operate(size_t factor)
{
    return hole_two_operate(factor);
}
#define kept_top_check check_all

/* State::sweep_all and Arena::trim in arena/trim.rs: a trim that finds nothing, beside a heap that
 * is full of holes too small to go. */
static void trim_in_vain_prepare(size_t factor)
{
    keep_all(factor * 4000, 900);
    drop_every(0, 2);
    malloc_trim(0);
    malloc_trim(0);
}

static size_t trim_in_vain_operate(size_t factor)
{
    (void)factor;
    for (int i = 0; i < 100; i++)
        malloc_trim(0);
    return 100;
}
#define trim_in_vain_check check_all

/* Cache::look_around and flush in cache/refill.rs: a trim between any two pairs empties all
 * classes, of which a program uses more and more. */
static void trim_between_prepare(size_t factor)
{
    (void)factor;
}

static size_t trim_between_operate(size_t factor)
{
    for (size_t i = 0; i < 400 * factor; i++) {
        pairs(1, 100 + i % 400);
        malloc_trim(0);
    }
    return 400 * factor;
}
#define trim_between_check check_all

/* State::take_end and Top::shorten in arena/top.rs: a heap whose end comes and goes, a peak after
 * the other with a pause between. */
static void tide_prepare(size_t factor)
{
    all = apart(factor * 1000 * sizeof *all);
    count = factor * 1000;
}

static size_t tide_operate(size_t factor)
{
    (void)factor;
    for (int tide = 0; tide < 6; tide++) {
        for (size_t i = 0; i < count; i++)
            all[i] = keep(3000, i);
        for (size_t i = 0; i < count; i++) {
            expect(all[i].p, all[i].size, i);
            drop(&all[i]);
        }
    }
    return 6 * count;
}
#define tide_check check_all

/* Extents::vacate in arena/extents.rs, and Batch: one survivor a page, so that nothing can go, then
 * all of them. */
static void survivors_prepare(size_t factor)
{
    keep_all(factor * 16000, 256);
    for (size_t i = 0; i < count; i++)
        if (i % 14 != 0) {
            live -= 256;
            drop(&all[i]);
        }
    pause_ms(60);
}

static size_t survivors_operate(size_t factor)
{
    (void)factor;
    drop_every(0, 1);
    idle_work(120);
    malloc_trim(0);
    return 1;
}
#define survivors_check check_all

CASES(CASE(hole), CASE(hole_two), CASE(large), CASE(longest_call), CASE(second_peak), CASE(records),
      CASE(kept_top), CASE(trim_in_vain), CASE(trim_between), CASE(tide), CASE(survivors))
