/* Adversarial: objects that grow and shrink, and what is cleared for them. */
#define _GNU_SOURCE
#include "adversarial.h"

static struct kept *all;
static size_t count;

static void room_for(size_t n)
{
    all = apart(n * sizeof *all);
    count = n;
}

static void nothing_prepare(size_t factor)
{
    (void)factor;
}

static void check_all(size_t factor)
{
    (void)factor;
    for (size_t i = 0; i < count; i++)
        if (all[i].p != NULL)
            expect(all[i].p, all[i].size, i);
}

static void resize(size_t i, size_t size)
{
    all[i].p = must(realloc(all[i].p, size));
    all[i].size = size;
    all[i].p[0] = (unsigned char)i;
    all[i].p[size - 1] = (unsigned char)(i >> 8);
}

/* The table's: small objects, and a large calloc now and then that needs clean memory. */
#define stale_sparse_prepare nothing_prepare
static size_t stale_sparse_operate(size_t factor)
{
    size_t n = factor * 40000;
    for (size_t i = 0; i < n; i++) {
        char *p = must(malloc(100));
        p[0] = p[99] = 1;
        if (i % 1000 == 0)
            free(must(calloc(1, 40000)));
    }
    live += n * 100;
    return n;
}
#define stale_sparse_check check_all

/* routes/realloc.rs copies where the chunk behind is taken: strings that grow in turns. */
static void turns_prepare(size_t factor)
{
    (void)factor;
    room_for(4);
}

static size_t turns_operate(size_t factor)
{
    size_t n = factor * 500;
    for (size_t step = 1; step <= n; step++)
        for (size_t i = 0; i < count; i++)
            resize(i, step * 24);
    live += n * 24 * count;
    return n * count;
}
#define turns_check check_all

/* remap in routes/realloc.rs moves between heap and mappings at half of the threshold. */
static void ping_pong_prepare(size_t factor)
{
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    room_for(1);
    resize(0, factor * 200000);
}

static size_t ping_pong_operate(size_t factor)
{
    for (int i = 0; i < 1000; i++) {
        resize(0, 30000);
        resize(0, factor * 200000);
    }
    live += 8192;
    return 2000;
}
#define ping_pong_check check_all

/* mapped::resize in mapped/mod.rs asks the kernel at each step of a page. */
#define steps_prepare ping_pong_prepare
static size_t steps_operate(size_t factor)
{
    size_t n = factor * 500;
    for (size_t i = 1; i <= n; i++)
        resize(0, factor * 200000 + i * 4096);
    live += n * 4096;
    return n;
}
#define steps_check check_all

/* State::extend in arena/split.rs sweeps what waits behind a chunk before it knows whether that is
 * enough: objects that grow a little beside ones that were just freed. */
static void beside_prepare(size_t factor)
{
    room_for(factor * 2000);
    for (size_t i = 0; i < count; i++)
        all[i] = keep(1500, i);
}

static size_t beside_operate(size_t factor)
{
    (void)factor;
    for (size_t i = 1; i < count; i += 2)
        drop(&all[i]);
    for (size_t round = 1; round <= 4; round++)
        for (size_t i = 0; i < count; i += 2)
            resize(i, 1500 + round * 300);
    live += count / 2 * 2700;
    return count / 2 * 4;
}
#define beside_check check_all

/* Cairn's threshold rises with what is freed; above its bound each pair is a mapping. */
#define above_prepare nothing_prepare
static size_t above_operate(size_t factor)
{
    for (size_t i = 0; i < 200; i++) {
        size_t size = (33 << 20) * factor;
        char *p = must(malloc(size));
        p[0] = p[size - 1] = 1;
        free(p);
    }
    return 200;
}
#define above_check check_all

/* alloc::zeroed in routes/alloc.rs clears what was used before: buffers of which nothing is used,
 * freed in between. */
#define cleared_prepare nothing_prepare
static size_t cleared_operate(size_t factor)
{
    for (size_t i = 0; i < 400; i++) {
        char *p = must(calloc(1, factor * 6000));
        if (p[factor * 5999] != 0)
            exit(1);
        p[0] = 1;
        free(p);
    }
    return 400;
}
#define cleared_check check_all

/* mapped::map in mapped/mod.rs maps more than it needs for an alignment, and cuts it. */
#define aligned_mapped_prepare nothing_prepare
static size_t aligned_mapped_operate(size_t factor)
{
    for (size_t i = 0; i < 200; i++) {
        char *p = must(memalign(factor << 16, 40 << 20));
        p[0] = p[(40 << 20) - 1] = 1;
        free(p);
    }
    return 200;
}
#define aligned_mapped_check check_all

/* watch/checked.rs: in check mode (MALLOC_CHECK_=3) each step could copy. */
static void byte_by_byte_prepare(size_t factor)
{
    (void)factor;
    room_for(1);
}

static size_t byte_by_byte_operate(size_t factor)
{
    size_t n = factor * 2000;
    for (size_t i = 1; i <= n; i++)
        resize(0, i);
    live += n;
    return n;
}
#define byte_by_byte_check check_all

/* watch/quarantine.rs and watch/looks.rs: in check mode a free looks at others. */
static void checked_frees_prepare(size_t factor)
{
    room_for(factor * 500);
    for (size_t i = 0; i < count; i++)
        all[i] = keep(100 + i % 2000, i);
}

static size_t checked_frees_operate(size_t factor)
{
    for (size_t i = 0; i < factor * 1000; i++) {
        size_t at = i * 7 % count;
        drop(&all[at]);
        all[at] = keep(100 + at % 2000, at);
    }
    return factor * 1000;
}
#define checked_frees_check check_all

CASES(CASE(stale_sparse), CASE(turns), CASE(ping_pong), CASE(steps), CASE(beside), CASE(above),
      CASE(cleared), CASE(aligned_mapped), CASE(byte_by_byte), CASE(checked_frees))
