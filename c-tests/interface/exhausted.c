/* Memory exhausted: NULL and ENOMEM, what was given out stays whole, and the
   allocator serves again as soon as memory is there. */
#include "check.h"
#include <sys/resource.h>

static void fill_up(size_t n)
{
    struct cell { struct cell *next; } *all = NULL;
    size_t count = 0;
    for (;;) {
        errno = 0;
        struct cell *cell = malloc(n);
        if (cell == NULL)
            break;
        memset(cell, (int)count, n);
        cell->next = all;
        all = cell;
        count++;
    }
    CHECK(errno == ENOMEM, "(%zu bytes, errno %d)", n, errno);
    CHECK(count * n > (16u << 20), "(only %zu of %zu bytes)", count, n);

    errno = 0;
    CHECK(calloc(1, 64u << 20) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(realloc(all, 64u << 20) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(memalign(4096, 64u << 20) == NULL && errno == ENOMEM);

    while (all != NULL) {
        struct cell *cell = all;
        all = cell->next;
        count--;
        for (size_t i = sizeof *cell; i < n; i++)
            CHECK(((unsigned char *)cell)[i] == (unsigned char)count);
        free(cell);
    }
}

int main(void)
{
    struct rlimit limit = { 64u << 20, 64u << 20 };
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    /* Twice: the first round must not use anything up for good. */
    for (int round = 0; round < 2; round++) {
        fill_up(40);
        fill_up(1000);
        fill_up(50000);
        fill_up(1 << 20);
    }
    return 0;
}
