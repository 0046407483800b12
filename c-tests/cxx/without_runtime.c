/* A C program has no C++ runtime. Whoever finds the operators there gets
   memory from them; without any, nothrow returns NULL, and the throwing form
   has nothing to throw with. */
#include "check.h"
#include <dlfcn.h>

int main(int count, char **arguments)
{
    CHECK(dlsym(RTLD_DEFAULT, "_ZSt17__throw_bad_allocv") == NULL);
    void *(*plain)(size_t) = (void *(*)(size_t))dlsym(RTLD_DEFAULT, "_Znwm");
    void *(*quiet)(size_t, const void *) =
        (void *(*)(size_t, const void *))dlsym(RTLD_DEFAULT, "_ZnwmRKSt9nothrow_t");
    void (*sized)(void *, size_t) = (void (*)(void *, size_t))dlsym(RTLD_DEFAULT, "_ZdlPvm");
    CHECK(plain != NULL && quiet != NULL && sized != NULL);
    for (int round = 0; round < 10; round++) {
        void *p = plain(100);
        CHECK(p != NULL);
        sized(p, 100);
        CHECK(quiet(any(SIZE_MAX), "") == NULL);
    }
    if (count > 1 && strcmp(arguments[1], "throw") == 0) {
        plain(any(SIZE_MAX));
        CHECK(!"came back");
    }
    return 0;
}
