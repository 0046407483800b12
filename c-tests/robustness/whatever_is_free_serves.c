/* The address space is used up by objects of one size, some or all are freed,
   and objects of another size get what is free, however it is cut up.
   Arguments: the first size, the second, and 1 to free all, 2 every other. */
#include "check.h"
#include <sys/resource.h>

enum { MIB = 1 << 20, LIMIT = 64 * MIB, MOST = 1 << 21 };

static char *held[MOST];

static void fill(size_t i, size_t n)
{
    held[i][0] = (char)i;
    held[i][n - 1] = (char)(i >> 8);
}

static void check(size_t i, size_t n)
{
    CHECK(n < 2 || (held[i][0] == (char)i && held[i][n - 1] == (char)(i >> 8)), "object %zu", i);
}

int main(int argc, char **argv)
{
    CHECK(argc == 4);
    size_t first = strtoul(argv[1], NULL, 10), second = strtoul(argv[2], NULL, 10);
    size_t step = strtoul(argv[3], NULL, 10), count = 0, freed = 0;
    struct rlimit limit = {LIMIT, LIMIT};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    while (count < MOST && (held[count] = malloc(first)) != NULL)
        fill(count++, first);
    CHECK(errno == ENOMEM && count * first > LIMIT / 3, "%zu objects", count);
    for (size_t i = 0; i < count; i += step) {
        check(i, first);
        free(held[i]);
        held[i] = NULL;
        freed += first;
    }
    /* Each object costs its header; a third is far less than is there. */
    size_t wanted = freed / 3 / second, got = 0;
    char **list = NULL;
    for (errno = 0; got < wanted; got++) {
        char **p = malloc(second);
        CHECK(p != NULL, "%zu of %zu, errno %d", got, wanted, errno);
        *p = (char *)list;
        list = p;
    }
    /* Objects that came from elsewhere than usual are like all others. */
    CHECK(malloc_usable_size(list) >= second);
    char **more = realloc(list, second * 2);
    list = more != NULL ? more : list;
    while (list != NULL) {
        char **next = (char **)*list;
        free(list);
        list = next;
    }
    for (size_t i = 0; i < count; i++)
        if (held[i] != NULL) {
            check(i, first);
            free(held[i]);
        }
    for (size_t i = 0; i < count / 2; i++)
        CHECK((held[i] = malloc(first)) != NULL, "%zu of %zu", i, count);
    return 0;
}
