/* Threads in which pthread_setspecific finds no memory: they allocate and free
   as any other, and what they freed is there for the next one. A thread for
   which there is memory again is served with a cache like the others.
   Built with -rdynamic, so that the pthread_setspecific below is everybody's. */
#include "check.h"
#include <dlfcn.h>
#include <pthread.h>

enum { WARM = 20, THREADS = 1000, OBJECTS = 400 };

static int (*real)(pthread_key_t, const void *);
static __thread int refusing, refused, accepted;

int pthread_setspecific(pthread_key_t key, const void *value)
{
    if (refusing) {
        refused++;
        return ENOMEM;
    }
    accepted++;
    /* Cairn's constructor makes the first thread's cache, before main. */
    if (real == NULL)
        real = (int (*)(pthread_key_t, const void *))dlsym(RTLD_NEXT, "pthread_setspecific");
    return real(key, value);
}

static void work(void)
{
    static const size_t sizes[] = {24, 100, 700, 3000};
    void *held[OBJECTS];
    for (int i = 0; i < OBJECTS; i++) {
        size_t n = sizes[i % 4];
        CHECK((held[i] = malloc(n)) != NULL);
        memset(held[i], i, n);
    }
    for (int i = 0; i < OBJECTS; i++) {
        CHECK(*(unsigned char *)held[i] == (unsigned char)i);
        free(held[i]);
    }
}

static void *refused_to_its_end(void *unused)
{
    refusing = 1;
    work();
    CHECK(refused > 0, "nobody asked for a value");
    return unused;
}

static void *refused_at_first(void *unused)
{
    refusing = 1;
    free(malloc(100));
    refusing = 0;
    work();
    CHECK(refused > 0 && accepted == 1, "%d accepted", accepted);
    return unused;
}

static void run(void *(*thread)(void *))
{
    pthread_t t;
    CHECK(pthread_create(&t, NULL, thread, NULL) == 0);
    CHECK(pthread_join(t, NULL) == 0);
}

static long resident_kib(void)
{
    char line[200];
    long kib = -1;
    FILE *f = fopen("/proc/self/status", "r");
    CHECK(f != NULL);
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    fclose(f);
    CHECK(kib > 0);
    return kib;
}

int main(void)
{
    for (int i = 0; i < WARM; i++)
        run(refused_to_its_end);
    long before = resident_kib();
    for (int i = 0; i < THREADS; i++)
        run(refused_to_its_end);
    long grown = resident_kib() - before;
    CHECK(grown < 1024, "%ld KiB lost", grown);
    run(refused_at_first);
    return 0;
}
