// A plug-in that allocates when it comes, works, and frees when it goes.
#include <stdlib.h>
#include <string.h>
static char *kept[64];
__attribute__((constructor)) static void come(void)
{
    for (int i = 0; i < 64; i++) kept[i] = memset(malloc(100 + 50 * i), i, 100);
}
__attribute__((destructor)) static void go(void)
{
    for (int i = 0; i < 64; i++) free(kept[i]);
}
__attribute__((visibility("default"))) void boot(void *perl, void *cv)
{
    (void)perl, (void)cv;
    for (int i = 0; i < 64; i++) kept[i] = realloc(kept[i], 4000 - 50 * i);
}
