/* Adversarial: free memory that does not fit, or is not found. */
#include "adversarial.h"

static struct kept *all;
static size_t count;

static void room_for(size_t n)
{
    all = apart(n * sizeof *all);
    count = n;
}

static void keep_from(size_t from, size_t to, size_t size)
{
    for (size_t i = from; i < to; i++)
        all[i] = keep(size, i);
    live += (to - from) * size;
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

/* The table's: free chunks behind smaller ones of their bin. */
static void hidden_fit_prepare(size_t factor)
{
    size_t n = factor * 60;
    room_for(n + 16);
    for (size_t i = 0; i < n + 16; i++) {
        keep_from(i, i + 1, i < n ? 44500 : 41000);
        separate();
    }
    /* Whether a bin gives the oldest first or the newest, a small one is there. */
    for (size_t i = n; i < n + 8; i++)
        drop_one(i);
    for (size_t i = 0; i < n; i++)
        drop_one(i);
    for (size_t i = n + 8; i < n + 16; i++)
        drop_one(i);
}

static size_t hidden_fit_operate(size_t factor)
{
    keep_from(0, factor * 60, 44500);
    return factor * 60;
}
#define hidden_fit_check check_all

/* State::find_aligned in arena/bins.rs looks at a few chunks of a bin: behind those that lie wrong
 * lie all that lie right. */
static void hidden_aligned_prepare(size_t factor)
{
    size_t n = factor * 60;
    room_for(n + 64);
    for (size_t i = 0; i < n + 64; i++) {
        void *p = i < n ? memalign(2048, 36864) : malloc(36864 + 2040);
        all[i] = (struct kept){must(p), 36864};
        fill(p, 36864, i);
        live += 36864;
        separate();
    }
    for (size_t i = 0; i < n + 64; i++)
        drop_one(i);
}

static size_t hidden_aligned_operate(size_t factor)
{
    for (size_t i = 0; i < factor * 60; i++) {
        all[i] = (struct kept){must(memalign(2048, 36864)), 36864};
        fill(all[i].p, 36864, i);
        live += 36864;
    }
    return factor * 60;
}
#define hidden_aligned_check check_all

/* The same function, asked for a slot's room: what slots were is free, one region each, behind
 * chunks of a region's size that lie across two. */
static void hidden_slot_prepare(size_t factor)
{
    size_t objects = factor * 32000;
    room_for(objects + 64);
    for (size_t i = 0; i < objects; i++) {
        keep_from(i, i + 1, 64);
        /* Slots that touch would become one chunk. It is not written to, and no slot fits in it. */
        if (i % 1000 == 0)
            must(malloc(66000));
    }
    /* In the heap, chunks of exactly a region's size. */
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    keep_from(objects, objects + 64, 65528);
    for (size_t i = 0; i < objects; i++)
        drop_one(i);
    malloc_trim(0);
    for (size_t i = objects; i < count; i += 2)
        drop_one(i);
}

static size_t hidden_slot_operate(size_t factor)
{
    keep_from(0, factor * 32000, 64);
    return factor * 32000;
}
#define hidden_slot_check check_all

/* State::slot_for in arena/slots.rs: small objects, of which one in each slot stays, and then
 * chunks. Free granules serve no chunk. */
static void survivors_then_chunks_prepare(size_t factor)
{
    room_for(factor * 16000);
    keep_from(0, count, 256);
    for (size_t i = 0; i < count; i++)
        if (i % 250 != 0)
            drop_one(i);
}

static size_t survivors_then_chunks_operate(size_t factor)
{
    size_t n = factor * 2000;
    for (size_t i = 0; i < n; i++) {
        size_t at = i * 8 + 1;
        if (all[at].p == NULL)
            all[at] = keep(1900, at), live += 1900;
    }
    return n;
}
#define survivors_then_chunks_check check_all

/* State::take_slot_chunk in arena/slots.rs: chunks, of which one in each region stays, and then
 * small objects. No region is whole, so no slot fits. */
static void chunks_then_objects_prepare(size_t factor)
{
    room_for(factor * 20000);
    keep_from(0, factor * 2000, 1900);
    for (size_t i = 0; i < factor * 2000; i++)
        if (i % 30 != 0)
            drop_one(i);
}

static size_t chunks_then_objects_operate(size_t factor)
{
    keep_from(factor * 2000, factor * 16000, 256);
    return factor * 14000;
}
#define chunks_then_objects_check check_all

/* The table's: buffers that are touched at their ends, in a long heap. */
static void sparse_prepare(size_t factor)
{
    room_for(factor * 200);
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
    /* The heap is above the length from which it grows by huge pages. */
    live += 12 << 20;
    must(memset(must(malloc(3 << 20)), 1, 3 << 20));
    for (int i = 0; i < 3; i++)
        must(memset(must(malloc(3 << 20)), 1, 3 << 20));
}

static size_t sparse_operate(size_t factor)
{
    (void)factor;
    for (size_t i = 0; i < count; i++) {
        all[i] = (struct kept){must(malloc(70000)), 70000};
        all[i].p[0] = (unsigned char)i;
        all[i].p[69999] = (unsigned char)(i >> 8);
    }
    return count;
}
#define sparse_check check_all

/* The table's: what shrinks strands its rest. */
static void shrunk_prepare(size_t factor)
{
    room_for(factor * 4000);
}

static size_t shrunk_operate(size_t factor)
{
    (void)factor;
    for (size_t i = 0; i < count; i++) {
        all[i].p = must(malloc(1024));
        memset(all[i].p, 1, 1024);
        all[i] = (struct kept){must(realloc(all[i].p, 600)), 600};
        fill(all[i].p, 600, i);
    }
    live += count * 600;
    return count;
}
#define shrunk_check check_all

/* class::aligned_chunk_for in class.rs rounds sizes to the alignment: small objects on pages, and
 * between them what would fill the gaps. */
static void small_on_pages_prepare(size_t factor)
{
    room_for(factor * 800);
}

static size_t small_on_pages_operate(size_t factor)
{
    (void)factor;
    for (size_t i = 0; i < count; i++) {
        size_t size = i % 2 == 0 ? 64 : 3900;
        void *p = i % 2 == 0 ? memalign(4096, size) : malloc(size);
        all[i] = (struct kept){must(p), size};
        fill(p, size, i);
        live += size;
    }
    return count;
}
#define small_on_pages_check check_all

/* State::take_aligned in arena/split.rs: a small object at a large alignment, of which the lead
 * and the rest go to the bins, and are to be found there. */
static void far_aligned_prepare(size_t factor)
{
    room_for(factor * 40);
    mallopt(M_MMAP_THRESHOLD, 16 << 20);
}

static size_t far_aligned_operate(size_t factor)
{
    (void)factor;
    for (size_t i = 0; i < count; i++) {
        size_t size = i % 20 == 0 ? 100 : 50000;
        void *p = i % 20 == 0 ? memalign(1 << 20, size) : malloc(size);
        all[i] = (struct kept){must(p), size};
        fill(p, size, i);
        live += size;
    }
    return count;
}
#define far_aligned_check check_all

/* State::plant and State::ceiling in arena/tree.rs: sizes that agree in all high bits make a bin's
 * tree a path. Taken and freed by turns. */
static void deep_tree_prepare(size_t factor)
{
    /* From 16,384 bytes on, 128 sizes of a bin; a path has as many nodes as a size has bits. */
    size_t n = factor * 8;
    room_for(n);
    for (size_t i = 0; i < n; i++) {
        keep_from(i, i + 1, 33000 + i * 16);
        separate();
    }
    for (size_t i = n; i-- > 0;)
        drop_one(i);
}

static size_t deep_tree_operate(size_t factor)
{
    size_t n = factor * 8;
    for (size_t round = 0; round < 2000; round++) {
        size_t i = round * 7 % n;
        keep_from(i, i + 1, 33000 + i * 16);
        drop_one(i);
    }
    return 2000;
}
#define deep_tree_check check_all

/* State::release in arena/split.rs: every second chunk, then the others, so that each free of the
 * second half merges on both sides. */
static void comb_prepare(size_t factor)
{
    room_for(factor * 3000);
    keep_from(0, count, 6000);
}

static size_t comb_operate(size_t factor)
{
    (void)factor;
    for (size_t from = 0; from < 2; from++)
        for (size_t i = from; i < count; i += 2)
            drop_one(i);
    return count;
}
#define comb_check check_all

/* Cache::take_or_refill in cache/refill.rs: each class is asked for a few times, so that all have
 * an array and a batch, and nothing more is asked for. */
static void all_classes_prepare(size_t factor)
{
    room_for(factor * 400);
}

static size_t all_classes_operate(size_t factor)
{
    (void)factor;
    for (size_t i = 0; i < count; i++)
        keep_from(i, i + 1, 1 + i * 80 % 32000);
    return count;
}
#define all_classes_check check_all

CASES(CASE(hidden_fit), CASE(hidden_aligned), CASE(hidden_slot), CASE(survivors_then_chunks),
      CASE(chunks_then_objects), CASE(sparse), CASE(shrunk), CASE(small_on_pages),
      CASE(far_aligned), CASE(deep_tree), CASE(comb), CASE(all_classes))
