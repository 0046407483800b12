/* Sites that allocate known amounts, in several threads, with objects that caches recycle. Prints what
 * each has in use and has allocated, then waits for a word. With "storm": threads that allocate, fork,
 * take signals and load and unload a library until a word comes. */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"

enum { THREADS = 4, SMALL = 300000, MIDDLE = 6000, LARGE = 500, HUGE_ONES = 3 };

static size_t in_use[4], allocated[4];
static pthread_mutex_t sums = PTHREAD_MUTEX_INITIALIZER;

static void add(int site, size_t all, size_t kept)
{
    pthread_mutex_lock(&sums);
    allocated[site] += all;
    in_use[site] += kept;
    pthread_mutex_unlock(&sums);
}

/* Of `count` objects every third is kept; the others are freed at once, so that caches hand them out
 * again. */
#define SITE(name, number, size, count)                                                              \
    __attribute__((noinline)) static void name(void)                                                 \
    {                                                                                                \
        for (size_t i = 0; i < (count); i++) {                                                       \
            char *volatile p = malloc(size);                                                         \
            CHECK(p != NULL);                                                                        \
            p[0] = 1;                                                                                \
            if (i % 3 != 0)                                                                          \
                free(p);                                                                             \
        }                                                                                            \
        add(number, (size_t)(count) * (size), ((size_t)(count) + 2) / 3 * (size));                   \
    }

SITE(site_small, 0, 40, SMALL)
SITE(site_middle, 1, 3000, MIDDLE)
SITE(site_large, 2, 40000, LARGE)
SITE(site_huge, 3, 100000000, HUGE_ONES)

static void *work(void *unused)
{
    (void)unused;
    site_small();
    site_middle();
    site_large();
    return NULL;
}

static volatile int done;

static void on_signal(int number)
{
    (void)number;
}

static void *storm(void *seed)
{
    unsigned state = (unsigned)(uintptr_t)seed;
    void *kept[64] = {0};
    while (!done) {
        for (int i = 0; i < 2000; i++) {
            unsigned at = (state = state * 1664525 + 1013904223) >> 26;
            size_t size = (state >> 8) % (i % 50 == 0 ? 300000 : 2000);
            switch (state >> 6 & 3) {
            case 0:
                kept[at] = realloc(kept[at], size + 1);
                break;
            case 1:
                free(kept[at]);
                kept[at] = aligned_alloc(64, (size + 64) & ~(size_t)63);
                break;
            default:
                free(kept[at]);
                kept[at] = malloc(size);
                if (kept[at] && size)
                    memset(kept[at], (int)at, size);
            }
        }
        switch (state >> 20 & 3) {
        case 0: {
            pid_t child = fork();
            if (child == 0) {
                for (int i = 0; i < 500; i++)
                    free(malloc((size_t)i * 16));
                for (int i = 0; i < 64; i++)
                    free(kept[i]);
                _exit(0);
            }
            int status = 0;
            if (child > 0)
                CHECK(waitpid(child, &status, 0) == child && status == 0);
            break;
        }
        case 1: {
            void *library = dlopen("libresolv.so.2", RTLD_NOW);
            if (library)
                dlclose(library);
            break;
        }
        default:
            kill(getpid(), SIGUSR1);
        }
    }
    for (int i = 0; i < 64; i++)
        free(kept[i]);
    return NULL;
}

static void *brief(void *unused)
{
    (void)unused;
    while (!done) {
        pthread_t one;
        CHECK(pthread_create(&one, NULL, work, NULL) == 0);
        pthread_join(one, NULL);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "storm") == 0) {
        size_t count = argc > 2 ? strtoul(argv[2], NULL, 0) : 8;
        pthread_t *all = calloc(count, sizeof *all);
        signal(SIGUSR1, on_signal);
        for (size_t i = 0; i < count; i++)
            CHECK(pthread_create(&all[i], NULL, i % 8 == 7 ? brief : storm, (void *)(i + 1)) == 0);
        puts("ready");
        fflush(stdout);
        char word;
        while (read(0, &word, 1) < 0)
            ;
        done = 1;
        for (size_t i = 0; i < count; i++)
            pthread_join(all[i], NULL);
        free(all);
        puts("done");
        return 0;
    }
    pthread_t all[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&all[i], NULL, work, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(all[i], NULL);
    site_huge();
    for (int i = 0; i < 4; i++)
        printf("%zu %zu ", allocated[i], in_use[i]);
    puts("");
    fflush(stdout);
    char word;
    return read(0, &word, 1) < 0;
}
