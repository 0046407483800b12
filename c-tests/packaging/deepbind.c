/* A plugin (its path is the first argument) that was loaded with
   RTLD_DEEPBIND has the C library's malloc. As long as each takes back its
   own, all is well; with "free" or "realloc" and a size, the program's malloc
   is given the plugin's memory. */
#include "check.h"
#include <dlfcn.h>

int main(int count, char **arguments)
{
    CHECK(count == 2 || count == 4);
    void *plugin = dlopen(arguments[1], RTLD_NOW | RTLD_DEEPBIND);
    CHECK(plugin != NULL, "%s", dlerror());
    void *(*give)(size_t) = (void *(*)(size_t))dlsym(plugin, "give");
    void (*take)(void *) = (void (*)(void *))dlsym(plugin, "take");
    CHECK(give != NULL && take != NULL);
    for (size_t n = 1; n < 1000000; n += n / 2 + 1) {
        unsigned char *theirs = give(n), *ours = malloc(n);
        memset(theirs, 1, n);
        memset(ours, 2, n);
        CHECK(theirs[n - 1] == 1 && ours[n - 1] == 2);
        take(theirs);
        free(ours);
    }
    if (count == 4) {
        void *p = opaque(give(strtoul(arguments[3], NULL, 10)));
        if (strcmp(arguments[2], "free") == 0)
            free(p);
        else
            p = realloc(p, 300);
    }
    return 0;
}
