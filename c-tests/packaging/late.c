/* The library (its path is the first argument) is loaded late, and unloaded:
   it serves who asked for it, and the program keeps its own malloc. What it
   gave out, and the threads that used it, outlive dlclose. */
#include "packaging/own_copy.h"
#include <pthread.h>

static struct copy late;

static void *thread(void *seed)
{
    use_copy(&late, (unsigned)(uintptr_t)seed);
    return late.malloc(100);
}

int main(int count, char **arguments)
{
    CHECK(count == 3);
    int deep = strcmp(arguments[2], "deepbind") == 0;
    void *early = malloc(1000);
    void *theirs = dlsym(RTLD_DEFAULT, "malloc");
    for (int round = 0; round < 3; round++) {
        late = load_copy(arguments[1], deep ? RTLD_DEEPBIND : 0);
        CHECK((void *)late.malloc != theirs);
        use_copy(&late, 1);
        pthread_t threads[3];
        void *left[3];
        for (uintptr_t at = 0; at < 3; at++)
            CHECK(pthread_create(&threads[at], NULL, thread, (void *)at) == 0);
        for (int at = 0; at < 3; at++)
            CHECK(pthread_join(threads[at], &left[at]) == 0);
        CHECK(dlclose(late.handle) == 0);
        for (int at = 0; at < 3; at++)
            late.free(left[at]);
        use_copy(&late, 2);
    }
    CHECK(dlsym(RTLD_DEFAULT, "malloc") == theirs);
    early = realloc(early, 100000);
    CHECK(early != NULL);
    free(early);

    /* The operators of a late copy serve from it, even where a C++ runtime
       stands in front of them. */
    if (dlopen("libstdc++.so.6", RTLD_NOW | RTLD_GLOBAL) != NULL) {
        void *(*array)(size_t) = (void *(*)(size_t))dlsym(late.handle, "_Znam");
        void *(*quiet)(size_t, const void *) =
            (void *(*)(size_t, const void *))dlsym(late.handle, "_ZnwmRKSt9nothrow_t");
        void (*sized)(void *, size_t) = (void (*)(void *, size_t))dlsym(late.handle, "_ZdlPvm");
        late.free(array(100));
        sized(late.malloc(100), 100);
        CHECK(quiet(any(SIZE_MAX), "") == NULL);
    }
    return 0;
}
