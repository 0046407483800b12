/* A library whose constructor and destructor allocate, for fork_beside.c. */
#include <stdlib.h>

int is_loaded;
static void *kept[40];

__attribute__((constructor)) static void begin(void)
{
    for (size_t i = 0; i < 40; i++)
        kept[i] = malloc(i * 3000 + 1);
    is_loaded = 1;
}

__attribute__((destructor)) static void end(void)
{
    for (size_t i = 0; i < 40; i++)
        free(kept[i]);
    is_loaded = 0;
}
