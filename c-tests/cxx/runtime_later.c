/* A C program whose first failures come before there is a C++ runtime, and
   which then loads a plugin (its path is the argument) that brings one, into
   a scope of its own. */
#include "check.h"
#include <dlfcn.h>

int main(int count, char **arguments)
{
    CHECK(count == 2);
    void *(*quiet)(size_t, const void *) =
        (void *(*)(size_t, const void *))dlsym(RTLD_DEFAULT, "_ZnwmRKSt9nothrow_t");
    CHECK(quiet != NULL && quiet(any(SIZE_MAX), "") == NULL);
    void *plugin = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    CHECK(plugin != NULL, "%s", dlerror());
    CHECK(dlsym(RTLD_DEFAULT, "_ZSt17__throw_bad_allocv") == NULL);
    int (*use)(void) = (int (*)(void))dlsym(plugin, "use_plugin");
    CHECK(use != NULL);
    int broken = use();
    CHECK(broken == 0, "(number %d)", broken);
    return 0;
}
