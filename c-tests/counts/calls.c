/* calls COUNT WHAT: COUNT times one hot sequence on 64 bytes. The volatile pointers
 * keep the compiler from knowing what it calls. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static void *(*volatile take)(size_t) = malloc;
static void *(*volatile zeroed)(size_t, size_t) = calloc;
static void *(*volatile resize)(void *, size_t) = realloc;
static void (*volatile give)(void *) = free;
static void (*volatile give_sized)(void *, size_t);

int main(int argc, char **argv)
{
    size_t count = argc > 2 ? strtoul(argv[1], NULL, 0) : 0;
    const char *what = argc > 2 ? argv[2] : "";
    *(void **)&give_sized = dlsym(RTLD_DEFAULT, "free_sized");
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
    else
        return 2;
    return 0;
}
