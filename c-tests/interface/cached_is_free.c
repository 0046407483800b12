/* What was freed counts as free, whether an arena has it or some thread's cache
   (or, in check mode, the quarantine): mallinfo2 and malloc_info are exact as
   soon as all threads rest. */
#include "check.h"
#include <pthread.h>

enum { COUNT = 3000, THREADS = 3, SLOTS = 2048 };
static pthread_barrier_t here, there;

static size_t in_use(void)
{
    struct mallinfo2 m = mallinfo2();
    CHECK(m.arena == m.uordblks + m.fordblks);
    return m.uordblks;
}

/* From malloc_info: what the system gave less what is free. */
static size_t in_use_by_info(void)
{
    static char text[1 << 20];
    FILE *out = fmemopen(text, sizeof text, "w");
    setvbuf(out, NULL, _IONBF, 0);
    CHECK(malloc_info(0, out) == 0);
    fclose(out);
    char *end = text;
    for (char *at = text; (at = strstr(at, "</heap>")) != NULL; at++)
        end = at;
    unsigned long fast, rest, system;
    char *at = strstr(end, "<total type=\"fast\"");
    CHECK(at != NULL && sscanf(strstr(at, "size="), "size=\"%lu", &fast) == 1);
    at = strstr(end, "<total type=\"rest\"");
    CHECK(at != NULL && sscanf(strstr(at, "size="), "size=\"%lu", &rest) == 1);
    at = strstr(end, "<system type=\"current\"");
    CHECK(at != NULL && sscanf(strstr(at, "size="), "size=\"%lu", &system) == 1);
    return system - fast - rest;
}

static size_t size_of(size_t i)
{
    return i % 5 == 0 ? 0 : i % 3 ? i * 7 % 700 : i * 131 % 30000;
}

static void use(void)
{
    static __thread void *p[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        p[i] = malloc(size_of(i));
    for (size_t i = 0; i < COUNT; i++)
        free(p[i]);
}

static void *rest(void *unused)
{
    use();
    pthread_barrier_wait(&here);
    pthread_barrier_wait(&there);
    return unused;
}

/* A slot of objects costs 16 bytes that are nobody's. */
#define SAME(a, b) ((a) < (b) + SLOTS && (b) < (a) + SLOTS)

int main(void)
{
    pthread_barrier_init(&here, NULL, THREADS + 1);
    pthread_barrier_init(&there, NULL, THREADS + 1);
    free(malloc(100));
    size_t before = in_use(), info = in_use_by_info();
    use();
    size_t alone = in_use(), alone_info = in_use_by_info();
    CHECK(SAME(alone, before), "(%zu before, %zu after)", before, alone);
    CHECK(SAME(alone_info, info), "(by malloc_info %zu before, %zu after)", info, alone_info);

    /* The libc's own objects for a thread stay. */
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&thread[i], NULL, rest, NULL) == 0);
    pthread_barrier_wait(&here);
    size_t with = in_use(), with_info = in_use_by_info();
    CHECK(with < before + SLOTS + THREADS * 1024, "(%zu before, %zu with threads)", before, with);
    CHECK(with_info < info + SLOTS + THREADS * 1024, "(by malloc_info %zu, %zu)", info, with_info);

    void *held = malloc(1000);
    size_t one = in_use();
    CHECK(one >= with + 1000 && one <= with + 1100, "(%zu for 1000 bytes)", one - with);
    free(held);
    CHECK(in_use() == with);
    pthread_barrier_wait(&there);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    CHECK(SAME(in_use(), before) || in_use() < before + SLOTS + THREADS * 1024);
    return 0;
}
