/* Writes the file that malloc comes from, as the loader finds it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static void *(*volatile take)(size_t) = malloc;
static void (*volatile give)(void *) = free;

int main(void)
{
    Dl_info info;
    void *found = dlsym(RTLD_DEFAULT, "malloc");
    give(take(100));
    if (found == NULL || !dladdr(found, &info))
        return 1;
    puts(info.dli_fname);
    return 0;
}
