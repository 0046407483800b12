/* Calls every function that cairn.h declares, and checks what it says of each. Linked with
   libcairn.so; arguments are the release that the library should be, and in check mode one more. */
#include "check.h"
#include <cairn.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>

enum { OBJECTS = 2000, MANY = 100000 };
#define MIB ((size_t)1 << 20)

static void *objects[OBJECTS];
/* In check mode a thread has no cache, and going idle means nothing. */
static bool checked;

static struct cairn_stats figures(void)
{
    struct cairn_stats stats = {.size = sizeof stats};
    CHECK(cairn_stats(&stats) == 0, "");
    return stats;
}

static void check_version(const char *expected)
{
    CHECK(strcmp(cairn_version(), expected) == 0, "(%s)", cairn_version());
    CHECK(strcmp(cairn_version(), CAIRN_VERSION) == 0, "(%s)", CAIRN_VERSION);
    char made[40];
    snprintf(made, sizeof made, "%d.%d.%d", CAIRN_VERSION_MAJOR, CAIRN_VERSION_MINOR,
             CAIRN_VERSION_PATCH);
    CHECK(strcmp(made, CAIRN_VERSION) == 0, "(%s)", made);
}

static void check_stats(void)
{
    CHECK(cairn_stats(NULL) == EINVAL, "");
    struct cairn_stats none = {.size = 8, .version = 77};
    CHECK(cairn_stats(&none) == EINVAL && none.version == 77, "");

    /* An older program, whose structure ends before `free`. */
    struct cairn_stats old = {.size = offsetof(struct cairn_stats, free), .free = 123};
    CHECK(cairn_stats(&old) == 0, "");
    CHECK(old.size == offsetof(struct cairn_stats, free) && old.in_use != 0, "");
    CHECK(old.free == 123, "(written past the structure's end)");

    /* A newer one: what the library does not know stays. */
    struct { struct cairn_stats known; uint64_t unknown; } new = {.unknown = 456};
    new.known.size = sizeof new;
    CHECK(cairn_stats(&new.known) == 0 && new.unknown == 456, "");
    CHECK(new.known.size == sizeof new.known, "(%" PRIu32 ")", new.known.size);
    CHECK(new.known.version == CAIRN_STATS_VERSION, "");

    struct cairn_stats before = figures();
    void *mapped = opaque(malloc(64 * MIB));
    memset(mapped, 1, 64 * MIB);
    for (int i = 0; i < OBJECTS; i++)
        objects[i] = memset(malloc(1000), 1, 1000);
    struct cairn_stats after = figures();
    CHECK(after.in_use >= before.in_use + 64 * MIB + OBJECTS * 1000, "");
    CHECK(after.mapped_chunks == before.mapped_chunks + 1, "");
    CHECK(after.mapped >= before.mapped + 64 * MIB && after.peak_mapped >= after.mapped, "");
    CHECK(after.heaps >= before.heaps && after.heaps >= OBJECTS * 1000, "");
    CHECK(after.in_use == after.heaps - after.free + after.mapped, "");
    CHECK(after.peak_heaps >= after.heaps && after.cached <= after.free, "");
    CHECK(after.arenas >= 1, "");
    free(mapped);
    struct cairn_stats gone = figures();
    CHECK(gone.mapped == before.mapped && gone.peak_mapped >= 64 * MIB, "");
    for (int i = 0; i < OBJECTS; i++)
        free(objects[i]);
    CHECK(figures().in_use + OBJECTS * 1000 <= gone.in_use, "");
}

static void check_usable_size(void)
{
    int local = 0;
    CHECK(cairn_usable_size(NULL) == 0 && cairn_usable_size(&local) == 0, "");
    for (size_t size = 1; size < 300000; size = size * 3 + 1) {
        void *object = opaque(malloc(size));
        CHECK(cairn_usable_size(object) >= size, "(%zu)", size);
        CHECK(cairn_usable_size(object) == malloc_usable_size(object), "(%zu)", size);
        free_sized(object, size);
    }
    void *aligned = opaque(aligned_alloc(256, 1000));
    CHECK(cairn_usable_size(aligned) >= 1000, "");
    free_aligned_sized(aligned, 256, 1000);
}

/* What a walk has shown of some objects. */
struct seen {
    void *wanted[4];
    size_t bytes[4];
    int times[4], state[4];
    size_t all[3];
};

static void see(void *context, void *object, size_t bytes, int state)
{
    struct seen *seen = context;
    CHECK(state == CAIRN_IN_USE || state == CAIRN_CACHED || state == CAIRN_FREE, "(%d)", state);
    seen->all[state] += bytes;
    for (int i = 0; i < 4; i++) {
        /* What is free again may have become part of a longer piece. */
        bool inside = (char *)seen->wanted[i] >= (char *)object &&
                      (char *)seen->wanted[i] < (char *)object + bytes;
        if (seen->wanted[i] == object || (inside && state != CAIRN_IN_USE)) {
            seen->times[i]++;
            seen->bytes[i] = bytes;
            seen->state[i] = state;
        }
    }
}

static void check_walk(void)
{
    static const size_t sizes[4] = {100, 5000, 3 * MIB, 100};
    CHECK(cairn_walk_objects(NULL, NULL) == 0, "");
    struct seen seen = {0};
    for (int i = 0; i < 4; i++)
        seen.wanted[i] = memset(malloc(sizes[i]), 1, sizes[i]);
    void *freed = seen.wanted[3];
    free(freed);
    CHECK(cairn_walk_objects(see, &seen) == 0, "");
    for (int i = 0; i < 3; i++) {
        CHECK(seen.times[i] == 1 && seen.state[i] == CAIRN_IN_USE, "(%zu: %d times, state %d)",
              sizes[i], seen.times[i], seen.state[i]);
        CHECK(seen.bytes[i] == malloc_usable_size(seen.wanted[i]), "(%zu)", sizes[i]);
    }
    CHECK(seen.times[3] == 1 && seen.state[3] != CAIRN_IN_USE, "(%d times, state %d)",
          seen.times[3], seen.state[3]);
    for (int i = 0; i < 3; i++)
        free(seen.wanted[i]);

    /* The pieces are the heap's, but for headers: at least half of it, and no more than there is. */
    struct cairn_stats stats = figures();
    size_t sum = seen.all[0] + seen.all[1] + seen.all[2];
    CHECK(sum <= stats.heaps + 4 * MIB && sum >= stats.heaps / 2, "(%zu)", sum);
}

/* One thread's cache keeps what it freed until the thread says so. */
static void check_flush(void)
{
    for (int i = 0; i < OBJECTS; i++)
        objects[i] = malloc(2000);
    for (int i = 0; i < OBJECTS; i++)
        free(objects[i]);
    struct cairn_stats before = figures();
    if (checked) {
        CHECK(before.threads == 0, "");
        cairn_flush();
        return;
    }
    CHECK(before.threads == 1, "(%" PRIu64 ")", before.threads);
    CHECK(before.cached >= 2000, "(%" PRIu64 ")", before.cached);
    cairn_flush();
    struct cairn_stats after = figures();
    CHECK(after.cached == 0 && after.in_use == before.in_use, "(%" PRIu64 ")", after.cached);
}

static size_t resident(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    size_t all, resident;
    CHECK(file != NULL && fscanf(file, "%zu %zu", &all, &resident) == 2, "");
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* A heap full of objects, of which a thread keeps every thousandth. */
static void *idles(void *unused)
{
    (void)unused;
    static void *many[MANY];
    for (int i = 0; i < MANY; i++)
        many[i] = memset(malloc(500), 1, 500);
    size_t full = resident();
    for (int i = 0; i < MANY; i++)
        if (i % 1000 != 0)
            free(many[i]);
    int went = cairn_idle();
    size_t idle = resident();
    if (checked)
        CHECK(went == 0, "");
    else
        CHECK(went == 1 && full > idle + 30 * MIB, "(%zu, then %zu)", full, idle);
    CHECK(checked || figures().cached < MIB, "");
    for (int i = 0; i < MANY; i += 1000)
        free(many[i]);
    return NULL;
}

static void check_idle_and_trim(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, idles, NULL) == 0, "");
    CHECK(pthread_join(thread, NULL) == 0, "");

    for (int i = 0; i < OBJECTS; i++)
        objects[i] = memset(malloc(20000), 1, 20000);
    size_t full = resident();
    for (int i = 0; i < OBJECTS; i++)
        free(objects[i]);
    cairn_trim();
    size_t trimmed = resident();
    CHECK(full > trimmed + 30 * MIB, "(%zu, then %zu)", full, trimmed);
    /* Twice in a row there is nothing left. */
    CHECK(cairn_trim() == 0, "");
}

static struct cairn_heap_stats figures_of(struct cairn_heap *heap)
{
    struct cairn_heap_stats stats = {.size = sizeof stats};
    CHECK(cairn_heap_stats(heap, &stats) == 0 && stats.size == sizeof stats, "");
    CHECK(stats.version == CAIRN_HEAP_STATS_VERSION, "");
    return stats;
}

static void check_heaps_figures(struct cairn_heap *heap)
{
    CHECK(cairn_heap_stats(heap, NULL) == EINVAL, "");
    struct cairn_heap_stats none = {.size = 8, .version = 77};
    CHECK(cairn_heap_stats(heap, &none) == EINVAL && none.version == 77, "");
    struct cairn_heap_stats old = {.size = offsetof(struct cairn_heap_stats, free), .free = 123};
    CHECK(cairn_heap_stats(heap, &old) == 0 && old.free == 123, "(written past its end)");
}

static void *frees(void *object)
{
    free(object);
    return NULL;
}

static void check_heaps(void)
{
    errno = 0;
    CHECK(cairn_heap_new(NULL, 0) == NULL && errno == EINVAL, "");
    errno = 0;
    CHECK(cairn_heap_new("two\nlines", 0) == NULL && errno == EINVAL, "");
    struct cairn_heap *heap = cairn_heap_new("documents", 8 * MIB);
    struct cairn_heap *other = cairn_heap_new("others", 0);
    CHECK(heap != NULL && other != NULL, "");
    CHECK(figures_of(heap).limit == 8 * MIB && figures_of(other).limit == 0, "");
    check_heaps_figures(heap);

    char *word = cairn_heap_alloc(heap, 100);
    strcpy(word, "hundred");
    CHECK(cairn_usable_size(word) >= 100, "");
    word = cairn_heap_realloc(heap, word, 300000);
    CHECK(strcmp(word, "hundred") == 0, "(%.7s)", word);
    CHECK(figures_of(heap).in_use >= 300000 && figures_of(other).in_use == 0, "");
    word = realloc(word, 100000);
    CHECK(strcmp(word, "hundred") == 0 && figures_of(heap).in_use >= 100000, "");
    char *zeros = cairn_heap_calloc(heap, 100, 100);
    for (int i = 0; i < 10000; i++)
        CHECK(zeros[i] == 0, "(%d)", i);
    void *aligned = cairn_heap_aligned_alloc(heap, 1024, 50);
    CHECK(aligned != NULL && (uintptr_t)aligned % 1024 == 0, "");
    errno = 0;
    CHECK(cairn_heap_aligned_alloc(heap, 48, 50) == NULL && errno == EINVAL, "");
    errno = 0;
    CHECK(cairn_heap_calloc(heap, SIZE_MAX / 2, 3) == NULL && errno == ENOMEM, "");

    /* The limit is this heap's alone, and what is freed counts no more. */
    errno = 0;
    CHECK(cairn_heap_alloc(heap, 8 * MIB) == NULL && errno == ENOMEM, "");
    void *elsewhere = cairn_heap_alloc(other, 20 * MIB);
    CHECK(elsewhere != NULL && figures_of(other).mapped >= 20 * MIB, "");
    errno = 7;
    cairn_heap_free(heap, NULL);
    cairn_heap_free(heap, word);
    cairn_heap_free(heap, aligned);
    CHECK(errno == 7, "(%d)", errno);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, frees, zeros) == 0, "");
    CHECK(pthread_join(thread, NULL) == 0, "");
    if (!checked) /* There some wait in the quarantine. */
        CHECK(figures_of(heap).in_use == 0, "(%" PRIu64 ")", figures_of(heap).in_use);
    CHECK(cairn_heap_realloc(heap, NULL, 50) != NULL, "");
    CHECK(cairn_heap_realloc(heap, cairn_heap_alloc(heap, 9), 0) == NULL, "");

    /* A child has them as the parent had, and each ends its own. */
    word = strcpy(cairn_heap_alloc(heap, 2000), "child");
    pid_t child = fork();
    if (child == 0) {
        CHECK(strcmp(word, "child") == 0 && cairn_heap_alloc(heap, 3000) != NULL, "");
        cairn_heap_destroy(heap);
        _exit(cairn_walk_objects(NULL, NULL));
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0, "(%d)", status);
    CHECK(strcmp(word, "child") == 0, "");

    uint64_t mapped = figures().mapped;
    size_t before = resident();
    memset(elsewhere, 1, 20 * MIB);
    CHECK(resident() > before + 15 * MIB, "");
    cairn_heap_destroy(other);
    CHECK(figures().mapped + 20 * MIB <= mapped && resident() < before + 4 * MIB, "");
    cairn_heap_destroy(heap);
    cairn_heap_destroy(NULL);
}

static void check_profile(void)
{
    CHECK(cairn_profile_interval() == 0, "(%zu)", cairn_profile_interval());
    cairn_start_profile(1 << 20);
    CHECK(cairn_profile_interval() == 1 << 20, "(%zu)", cairn_profile_interval());
    cairn_start_profile(4096);
    for (int i = 0; i < OBJECTS; i++)
        objects[i] = memset(malloc(1000), 1, 1000);
    cairn_stop_profile();
    CHECK(cairn_profile_interval() == 0, "(%zu)", cairn_profile_interval());
    /* Some of them are samples, and are freed as all are. */
    for (int i = 0; i < OBJECTS; i++)
        free(objects[i]);
    CHECK(cairn_walk_objects(NULL, NULL) == 0, "");
}

int main(int argc, char **argv)
{
    CHECK(argc == 2 || argc == 3, "");
    checked = argc == 3;
    check_version(argv[1]);
    check_stats();
    check_usable_size();
    check_heaps();
    check_walk();
    check_flush();
    check_idle_and_trim();
    check_profile();
    CHECK(cairn_walk_objects(NULL, NULL) == 0, "");
    CHECK(cairn_background(1) == 0, "");
    CHECK(mallopt(M_CAIRN_BACKGROUND, 0) == 1, "");
    CHECK(cairn_background(0) == 0, "");
    CHECK(cairn_limit((size_t)1 << 40, 0) == 0, "");
    CHECK(cairn_limit(0, 0) == (checked ? 0 : (size_t)1 << 40), "");
    CHECK(cairn_limit(0, 0) == 0, "");
    return 0;
}
