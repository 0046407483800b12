/* How much stack the allocator needs on the way from its calls to the kernel: a thread's first
   request, one that opens an arena, refills, trims, and what the thread's end does. Threads run on
   stacks that the program has painted; how far down the paint is gone shows it. */
#define _GNU_SOURCE
#include "check.h"
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>

enum { STACK = 256 << 10, PAINT = 0x5a, MOST = 2048 };

static void *nothing(void *unused)
{
    return unused;
}

static void *first(void *unused)
{
    free(malloc(100));
    return unused;
}

static void *everything(void *unused)
{
    static const size_t SIZES[] = {1, 16, 100, 500, 1000, 5000, 30000, 100000, 300000};
    char *objects[9 * 60];
    size_t n = 0;
    for (int turn = 0; turn < 60; turn++)
        for (int i = 0; i < 9; i++)
            CHECK((objects[n++] = turn % 3 == 0 ? calloc(1, SIZES[i]) : malloc(SIZES[i])) != NULL);
    for (size_t i = 0; i < n; i += 2)
        CHECK((objects[i] = realloc(objects[i], SIZES[i % 9] * 3)) != NULL);
    for (size_t i = 0; i < n; i++)
        free(objects[i]);
    for (size_t align = 16; align <= 8192; align *= 2) {
        void *p = NULL;
        CHECK(posix_memalign(&p, align, 777) == 0 && malloc_usable_size(p) >= 777);
        free(p);
    }
    malloc_trim(0);
    return unused;
}

/* Bytes of its stack that a thread used. */
static size_t depth(void *(*body)(void *))
{
    unsigned char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_t attributes;
    pthread_t thread;
    size_t painted = 0;
    CHECK(stack != MAP_FAILED);
    memset(stack, PAINT, STACK);
    CHECK(pthread_attr_init(&attributes) == 0 && pthread_attr_setstack(&attributes, stack, STACK) == 0);
    CHECK(pthread_create(&thread, &attributes, body, NULL) == 0 && pthread_join(thread, NULL) == 0);
    while (painted < STACK && stack[painted] == PAINT)
        painted++;
    munmap(stack, STACK);
    return STACK - painted;
}

static void expect(const char *what, void *(*body)(void *), size_t own)
{
    size_t bare = depth(nothing), used = depth(body);
    if (used > bare + own + MOST) {
        printf("%s: %zu bytes of stack, %zu without\n", what, used, bare);
        exit(1);
    }
}

int main(void)
{
    check_served();
    free(malloc(1));
    /* By name first, so that no call here goes through the loader, which needs far more. */
    free(realloc(calloc(1, 1), 10));
    everything(NULL);
    expect("a first request", first, 0);
    expect("all kinds of requests", everything, 9 * 60 * sizeof(char *));
    return 0;
}
