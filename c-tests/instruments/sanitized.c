/* What a sanitizer is to find, by the first argument, and correct work that it is to say nothing about. */
#include "check.h"
#include <limits.h>
#include <pthread.h>

static int shared;
static int arrays = 1;
static char *volatile kept;
static pthread_barrier_t both;

/* A text that grows, in two threads that hand objects to each other. */
static void *work(void *argument)
{
    char *text = NULL;
    size_t n = 0;
    for (int i = 1; i < 2000; i++) {
        n += (size_t)(i % 97);
        text = realloc(text, n + 1);
        CHECK(text != NULL);
        text[n] = 1;
        void *p = NULL;
        CHECK(posix_memalign(&p, 256, n + 1) == 0 && (uintptr_t)p % 256 == 0);
        memset(p, 2, n + 1);
        CHECK(malloc_usable_size(p) >= n + 1);
        free(p);
        char *copy = strdup("a copy that libc makes");
        CHECK(copy != NULL);
        free(copy);
        p = calloc(3, 40);
        if (arrays)
            p = reallocarray(p, 5, 40);
        CHECK(p != NULL);
        free(p);
        free(aligned_alloc(64, 128));
        free(memalign(64, 100));
        free(valloc(100));
        free(pvalloc(100));
    }
    (void)argument;
    return text;
}

static void clean(void)
{
    pthread_t threads[2];
    void *text;
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, work, NULL) == 0);
    for (int i = 0; i < 2; i++) {
        CHECK(pthread_join(threads[i], &text) == 0);
        free(text);
    }
}

static void *race(void *argument)
{
    pthread_barrier_wait(&both);
    for (int i = 0; i < 1000; i++)
        shared++;
    return argument;
}

/* On a stack of its own and a hundred times: one address may be left in a register or in a frame. */
static void *lose(void *argument)
{
    for (int i = 0; i < 100; i++) {
        char *volatile lost = malloc(50);
        lost = NULL;
        (void)lost;
    }
    return argument;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "clean";
    arrays = strcmp(what, "without-arrays") != 0;
    clean();
    if (strcmp(what, "leak") == 0) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, lose, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    } else if (strcmp(what, "overflow") == 0) {
        char *volatile p = malloc(40);
        p[40 + argc - 2] = 1;
        free(p);
    } else if (strcmp(what, "after-free") == 0) {
        kept = malloc(30);
        free(kept);
        CHECK(kept[3] != 1);
    } else if (strcmp(what, "twice") == 0) {
        kept = malloc(30);
        free(kept);
        free(opaque(kept));
    } else if (strcmp(what, "race") == 0) {
        pthread_t threads[2];
        pthread_barrier_init(&both, NULL, 2);
        for (int i = 0; i < 2; i++)
            CHECK(pthread_create(&threads[i], NULL, race, NULL) == 0);
        for (int i = 0; i < 2; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
    } else if (strcmp(what, "undefined") == 0) {
        int volatile most = INT_MAX;
        int next = most + argc;
        CHECK(next != 7);
    }
    puts("done");
    return 0;
}
