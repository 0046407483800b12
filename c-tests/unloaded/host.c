/* host WHAT PLUGIN: loads a plug-in that has Cairn inside, uses it and unloads it. Nothing of the
   plug-in's may be called when it is gone, nor may a load leave anything behind.
   end: the thread that used it ends after it was unloaded, and so does the process.
   often: a thousand loads and unloads, by ending threads and by one that stays, cost no
      thread-specific key, no addresses and no memory.
   fork: the process forks after it was unloaded, with one thread and with several; the children
      load it again.
   memory: what it allocated is still there when it is loaded again. */
#include "check.h"
#include <dlfcn.h>
#include <pthread.h>
#include <sys/wait.h>

enum { ROUNDS = 1000, FIRST = 20 };

static const char *path;
static void *handle;

static void *function(const char *name)
{
    void *found = dlsym(handle, name);
    CHECK(found != NULL, "%s", name);
    return found;
}

static void load(void)
{
    handle = dlopen(path, RTLD_NOW);
    CHECK(handle != NULL, "%s", dlerror());
}

static void use(void)
{
    size_t (*work)(size_t) = (size_t (*)(size_t))function("work");
    CHECK(work(1000) == 499500);
    size_t (*early)(void) = (size_t (*)(void))function("early");
    CHECK(early() == 4950);
}

static void unload(void)
{
    CHECK(dlclose(handle) == 0);
}

static void *load_use_unload(void *keeps)
{
    load();
    use();
    if (keeps != NULL) {
        size_t (*keep)(size_t) = (size_t (*)(size_t))function("keep");
        CHECK(keep(100) == 100);
    }
    unload();
    return NULL;
}

static void in_a_thread(void *keeps)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, load_use_unload, keeps) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

/* Thread-specific keys that are still to be had. */
static int keys(void)
{
    enum { MANY = 4096 };
    static pthread_key_t made[MANY];
    int count = 0;
    while (count < MANY && pthread_key_create(&made[count], NULL) == 0)
        count++;
    for (int i = 0; i < count; i++)
        CHECK(pthread_key_delete(made[i]) == 0);
    return count;
}

/* A number of /proc/self/status, KiB. */
static long status(const char *name)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long value = -1;
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            value = strtol(line + strlen(name) + 1, NULL, 10);
    fclose(file);
    CHECK(value >= 0, "%s", name);
    return value;
}

static void often(void)
{
    int without = keys(), key_count = 0;
    long addresses = 0, memory = 0;
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 4 == 0)
            in_a_thread(i % 8 == 0 ? &handle : NULL);
        else
            load_use_unload(NULL);
        if (i == FIRST) {
            key_count = keys();
            addresses = status("VmSize");
            memory = status("RssAnon");
        }
    }
    CHECK(key_count >= without - 2, "%d of %d", key_count, without);
    CHECK(keys() == key_count, "%d of %d", keys(), key_count);
    /* A load has 64 MiB of addresses, and 36 KiB. */
    CHECK(status("VmSize") <= addresses + 1024, "%ld KiB, %ld before", status("VmSize"), addresses);
    CHECK(status("RssAnon") <= memory + 256, "%ld KiB, %ld before", status("RssAnon"), memory);
}

static void fork_and_load(void)
{
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(60);
            in_a_thread(NULL);
            load_use_unload(NULL);
            exit(0);
        }
        int how = 0;
        CHECK(waitpid(child, &how, 0) == child && how == 0, "%#x", (unsigned)how);
    }
}

static volatile int stop;

static void *load_on(void *unused)
{
    while (!stop) {
        void *mine = dlopen(path, RTLD_NOW);
        CHECK(mine != NULL && dlclose(mine) == 0);
    }
    return unused;
}

static void forks(void)
{
    load_use_unload(NULL);
    fork_and_load();
    in_a_thread(NULL);
    fork_and_load();
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, load_on, NULL) == 0);
    fork_and_load();
    stop = 1;
    CHECK(pthread_join(thread, NULL) == 0);
}

static void memory(void)
{
    size_t *made[100];
    load();
    size_t *(*make)(size_t) = (size_t *(*)(size_t))function("make");
    for (size_t i = 0; i < 100; i++)
        made[i] = make(i);
    unload();
    for (size_t i = 0; i < 100; i++)
        CHECK(*made[i] == i);
    load();
    use();
    size_t (*take)(size_t *) = (size_t (*)(size_t *))function("take");
    for (size_t i = 0; i < 100; i++)
        CHECK(take(made[i]) == i);
    unload();
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    path = argv[2];
    switch (argv[1][0]) {
    case 'e':
        in_a_thread(NULL);
        load_use_unload(NULL);
        return 0;
    case 'o':
        often();
        return 0;
    case 'f':
        forks();
        return 0;
    case 'm':
        memory();
        return 0;
    default:
        return 2;
    }
}
