/* The library (its path is the argument) is opened by a thread that ends; the
   threads after it get the same stack and thread block, and use the library. */
#include "check.h"
#include <dlfcn.h>
#include <pthread.h>

static const char *path;
static void *(*their_malloc)(size_t);
static void (*their_free)(void *);

static void use(void)
{
    unsigned char *p[8];
    for (int i = 0; i < 8; i++) {
        p[i] = their_malloc((size_t)40 << i);
        CHECK(p[i] != NULL);
        memset(p[i], i, (size_t)40 << i);
    }
    for (int i = 0; i < 8; i++) {
        CHECK(p[i][0] == i && p[i][((size_t)40 << i) - 1] == i);
        their_free(p[i]);
    }
}

static void *open_it(void *unused)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL, "(%s)", dlerror());
    their_malloc = (void *(*)(size_t))dlsym(library, "malloc");
    their_free = (void (*)(void *))dlsym(library, "free");
    CHECK(their_malloc != NULL && their_free != NULL && their_malloc != malloc);
    use();
    return unused;
}

static void *use_it(void *unused)
{
    use();
    return unused;
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    path = argv[1];
    for (int i = 0; i < 65; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, i == 0 ? open_it : use_it, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    use();
    return 0;
}
