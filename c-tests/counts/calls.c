/* calls COUNT WHAT: COUNT times one hot sequence, on 64 bytes but for zero. The
 * volatile pointers keep the compiler from knowing what it calls. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void *(*volatile take)(size_t) = malloc;
static void *(*volatile zeroed)(size_t, size_t) = calloc;
static void *(*volatile resize)(void *, size_t) = realloc;
static void (*volatile give)(void *) = free;
static void (*volatile give_sized)(void *, size_t);
static size_t count;

static void pairs(void)
{
    for (size_t i = 0; i < count; i++)
        give(take(64));
}

/* M_PERTURB on, used, and off again. */
static void perturb_for_a_while(void)
{
    give(take(64));
    mallopt(M_PERTURB, 1);
    for (int i = 0; i < 100; i++)
        give(take(64));
    mallopt(M_PERTURB, 0);
    for (int i = 0; i < 100; i++)
        give(take(64));
}

static void *perturbed(void *unused)
{
    perturb_for_a_while();
    pairs();
    return unused;
}

static void *begin(void *value)
{
    give(take(64));
    pthread_setspecific(*(pthread_key_t *)value, value);
    return NULL;
}

static void end(void *unused)
{
    (void)unused;
    pairs();
}

int main(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[2] : "";
    count = argc > 2 ? strtoul(argv[1], NULL, 0) : 0;
    *(void **)&give_sized = dlsym(RTLD_DEFAULT, "free_sized");
    pthread_t thread;
    pthread_key_t key;
    if (strcmp(what, "calloc") == 0)
        for (size_t i = 0; i < count; i++)
            give(zeroed(1, 64));
    else if (strcmp(what, "realloc") == 0) {
        void *p = take(64);
        for (size_t i = 0; i < count; i++)
            p = resize(p, 60 + (i & 1) * 4);
        give(p);
    } else if (strcmp(what, "free_sized") == 0 && give_sized != NULL)
        for (size_t i = 0; i < count; i++)
            give_sized(take(64), 64);
    else if (strcmp(what, "zero") == 0)
        for (size_t i = 0; i < count; i++)
            give(take(0));
    else if (strcmp(what, "perturbed") == 0)
        perturbed(NULL);
    else if (strcmp(what, "perturbed-thread") == 0) {
        if (pthread_create(&thread, NULL, perturbed, NULL) != 0)
            return 2;
        pthread_join(thread, NULL);
    } else if (strcmp(what, "destructor") == 0) {
        /* Made after Cairn's key, so that it comes after it. */
        give(take(64));
        if (pthread_key_create(&key, end) != 0 || pthread_create(&thread, NULL, begin, &key) != 0)
            return 2;
        pthread_join(thread, NULL);
    } else
        return 2;
    return 0;
}
