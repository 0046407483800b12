/* Adversarial: calls that have to look for something, where there is much to look through. What
 * they do is counted in instructions. */
#include "adversarial.h"

#include <sys/mman.h>

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

static void drop_one(size_t i)
{
    live -= all[i].size;
    drop(&all[i]);
}

static void check_all(size_t factor)
{
    (void)factor;
    for (size_t i = 0; i < count; i++)
        if (all[i].p != NULL)
            expect(all[i].p, all[i].size, i);
}

/* The table's: the registry of mapped chunks, at a distance that is bad for a hash. */
static void registry_prepare(size_t factor)
{
    size_t size = 10946 * 4096UL - 32;
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    all = apart(factor * 160 * sizeof *all);
    count = factor * 160;
    for (size_t i = 0; i < count; i++) {
        all[i] = (struct kept){must(malloc(size)), size};
        all[i].p[0] = (unsigned char)i;
        all[i].p[size - 1] = (unsigned char)(i >> 8);
    }
    live += count * 8192;
}

static size_t registry_operate(size_t factor)
{
    (void)factor;
    for (size_t i = 0; i < 2000; i++) {
        struct kept *k = &all[i % count];
        k->p = must(realloc(k->p, k->size));
    }
    return 2000;
}
#define registry_check check_all

/* The table's: slots whose free granules are single ones, and an object that a free has made room
 * for, without the thread's cache, which M_PERTURB switches off. State::take_from in arena/runs.rs
 * goes from span to span. */
static void holes_prepare(size_t factor)
{
    size_t n = factor * 16000;
    all = apart(n * sizeof *all);
    count = n;
    for (size_t i = 0; i < n; i++)
        all[i] = keep(16, i);
    live += n * 16;
    for (size_t i = 1; i < n; i += 2)
        drop_one(i);
    mallopt(M_PERTURB, 1);
}

static size_t holes_operate(size_t factor)
{
    uint64_t seed = 3;
    for (int i = 0; i < 2000; i++) {
        size_t at = below(&seed, factor * 8000) * 2;
        drop_one(at);
        all[at] = keep(48, at);
        live += 48;
    }
    return 2000;
}
#define holes_check check_all

/* Extents::vacate and occupy in arena/extents.rs go by regions: a pair of one long chunk, of which
 * nothing but its ends is touched. */
static void long_pair_prepare(size_t factor)
{
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    for (int i = 0; i < 2; i++)
        free(must(malloc(factor << 21)));
}

static size_t long_pair_operate(size_t factor)
{
    for (int i = 0; i < 1000; i++) {
        char *p = must(malloc(factor << 21));
        p[0] = p[(factor << 21) - 1] = 1;
        free(p);
    }
    return 1000;
}

static void long_pair_check(size_t factor)
{
    (void)factor;
}

/* State::sweep_until in arena/supply.rs: one request that finds nothing merges all that waits. */
static void much_waits_prepare(size_t factor)
{
    keep_all(factor * 6000, 700);
    for (size_t i = 0; i < count; i += 4)
        drop_one(i);
}

static size_t much_waits_operate(size_t factor)
{
    (void)factor;
    /* Larger than all that comes of it. */
    free(must(malloc(60000)));
    free(must(malloc(61000)));
    return 2;
}
#define much_waits_check check_all

/* State::dissolve_empty in arena/slots.rs: one request that would have the heap grow turns all
 * empty slots back into chunks. */
static void much_dissolves_prepare(size_t factor)
{
    keep_all(factor * 16000, 256);
    /* The end of the heap is taken. */
    for (int i = 0; i < 4; i++)
        must(malloc(120000));
    /* An eighth of all slots may be empty. */
    for (size_t i = 0; i < count / 9; i++)
        drop_one(i);
}

static size_t much_dissolves_operate(size_t factor)
{
    (void)factor;
    for (int i = 0; i < 60; i++) {
        must(malloc(120000));
        mark(LAP);
    }
    return 60;
}
#define much_dissolves_check check_all

/* State::merge_resting in arena/runs.rs: one request that finds no slot merges all that rests. */
static void much_rests_prepare(size_t factor)
{
    keep_all(factor * 16000, 300);
    for (size_t i = 0; i < count; i += 5)
        drop_one(i);
}

static size_t much_rests_operate(size_t factor)
{
    (void)factor;
    for (int i = 0; i < 200; i++) {
        must(malloc(500));
        mark(LAP);
    }
    live += 200 * 500;
    return 200;
}
#define much_rests_check check_all

/* State::find_aligned in arena/bins.rs looks at a few chunks of a few bins, each of them cold. */
static void misfits_prepare(size_t factor)
{
    size_t n = factor * 2000;
    all = apart(n * sizeof *all);
    count = n;
    for (size_t i = 0; i < n; i++) {
        all[i] = keep(1100 + i % 60 * 64, i);
        live += all[i].size;
    }
    /* Those of one size lie side by side. */
    for (size_t i = 0; i < n; i++)
        if (i / 60 % 2 == 0)
            drop_one(i);
    malloc_trim(0);
}

static size_t misfits_operate(size_t factor)
{
    (void)factor;
    for (int i = 0; i < 500; i++)
        must(memalign(32768, 1000));
    return 500;
}
#define misfits_check check_all

/* Places in cache/large.rs are few: a rotation through more sizes than it has places for. */
static void rotation_prepare(size_t factor)
{
    (void)factor;
    must(malloc(100));
}

static size_t rotation_operate(size_t factor)
{
    for (size_t i = 0; i < 4000; i++)
        free(must(malloc(40000 + i % (4 * factor) * 512)));
    return 4000;
}
#define rotation_check long_pair_check

/* The arrays of a class in cache/arrays.rs have an end: waves that are longer go to the arena and
 * back, by State::put_objects and take_objects in arena/runs.rs. */
static void wave_prepare(size_t factor)
{
    all = apart(factor * 250 * sizeof *all);
    count = factor * 250;
}

static size_t wave_operate(size_t factor)
{
    size_t waves = 64 / factor;
    for (size_t wave = 0; wave < waves; wave++) {
        for (size_t i = 0; i < count; i++)
            all[i] = keep(200, i);
        for (size_t i = 0; i < count; i++)
            drop(&all[i]);
    }
    return waves * count;
}
#define wave_check check_all

/* rows in stats/mod.rs walks all bins, waiting_chunks in arena/fastbins.rs all regions. */
static void figures_prepare(size_t factor)
{
    keep_all(factor * 3000, 1500);
    for (size_t i = 0; i < count; i += 2)
        drop_one(i);
}

static size_t figures_operate(size_t factor)
{
    (void)factor;
    volatile size_t seen = 0;
    for (int i = 0; i < 100; i++)
        seen = mallinfo2().fordblks;
    (void)seen;
    return 100;
}
#define figures_check check_all

/* Registry::unstick in mapped/registry.rs goes through the table for a mapping of one length, as
 * long as any is left that the kernel would not take back. */
static void stuck_prepare(size_t factor)
{
    size_t n = factor * 1000, page = 4096;
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    all = apart(n * sizeof *all);
    count = n;
    for (size_t i = 0; i < n; i++) {
        all[i] = (struct kept){must(malloc(200000)), 200000};
        all[i].p[0] = (unsigned char)i;
        all[i].p[199999] = (unsigned char)(i >> 8);
    }
    live += n * 2 * page;
    /* Every second page of another kind: until the kernel makes no mapping more. */
    char *many = mmap(NULL, 140000 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (many == MAP_FAILED)
        exit(1);
    for (size_t i = 1; i < 140000; i += 2)
        if (mprotect(many + i * page, page, PROT_NONE) != 0)
            break;
    /* Holes between two mappings that are one to the kernel. */
    for (size_t i = n / 2; i < n / 2 + 8; i += 2)
        drop_one(i);
}

static size_t stuck_operate(size_t factor)
{
    (void)factor;
    for (int i = 0; i < 500; i++) {
        char *p = must(malloc(300000));
        p[0] = 1;
        free(p);
    }
    return 500;
}
#define stuck_check check_all

/* Cache::look_around in cache/refill.rs empties bins that nobody used: programs that use one size
 * after the other, and each of them seldom. */
static void seldom_prepare(size_t factor)
{
    all = apart(factor * 16 * sizeof *all);
    count = factor * 16;
}

static size_t seldom_operate(size_t factor)
{
    (void)factor;
    for (size_t round = 0; round < 8000 / count; round++)
        for (size_t i = 0; i < count; i++) {
            size_t size = 1 + (i * 61 + round) % 4000;
            struct kept k = keep(size, i);
            expect(k.p, size, i);
            drop(&k);
        }
    return 8000 / count * count;
}
#define seldom_check check_all

CASES(CASE(registry), CASE(holes), CASE(long_pair), CASE(much_waits), CASE(much_dissolves), CASE(much_rests),
      CASE(misfits), CASE(rotation), CASE(wave), CASE(figures), CASE(stuck), CASE(seldom))
