/* RLIMIT_DATA refuses the break but not mappings: the break was moved far up by
   somebody else before main, and what lies below was made inaccessible, so it
   counts for the break alone. Requests go on in mapped memory up to the limit,
   NULL comes with ENOMEM, nothing given out changes, and all is served again
   once the limit is lifted. */
#include "check.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { MIB = 1 << 20, ROOM = 96 * MIB, FAR = 512 * MIB, MOST = 1 << 20 };

static char *held[MOST];
static size_t sizes[MOST], count;

static void move_the_break(void)
{
    char *from = sbrk(FAR);
    if (from == (char *)-1)
        _exit(3);
    uintptr_t page = 4096, first = ((uintptr_t)from + page - 1) & -page;
    if (mprotect((void *)first, ((uintptr_t)from + FAR - first) & -page, PROT_NONE) != 0)
        _exit(4);
}
__attribute__((section(".preinit_array"), used)) static void (*before)(void) = move_the_break;

static size_t data_now(void)
{
    static char text[8192];
    int file = open("/proc/self/status", O_RDONLY);
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    CHECK(length > 0);
    text[length] = 0;
    char *at = strstr(text, "\nVmData:");
    CHECK(at != NULL);
    return strtoul(at + 8, NULL, 10) << 10;
}

static int give(size_t n)
{
    errno = 0;
    char *p = malloc(n);
    if (p == NULL)
        return 0;
    memset(p, (int)(count % 250 + 1), n);
    held[count] = p;
    sizes[count++] = n;
    return 1;
}

static void check_all(void)
{
    for (size_t i = 0; i < count; i++)
        for (size_t at = 0; at < sizes[i]; at += 97)
            CHECK(held[i][at] == (char)(i % 250 + 1), "object %zu", i);
}

static void free_all(void)
{
    check_all();
    while (count != 0)
        free(held[--count]);
}

int main(void)
{
    /* The heap begins on the break. */
    CHECK(give(100));
    struct rlimit before, limit;
    CHECK(getrlimit(RLIMIT_DATA, &before) == 0);
    limit = before;
    limit.rlim_cur = data_now() + ROOM;
    CHECK(limit.rlim_cur < FAR);
    CHECK(setrlimit(RLIMIT_DATA, &limit) == 0);
    CHECK(sbrk(4096) == (void *)-1, "the break is not refused");
    for (int round = 0; round < 2; round++) {
        static const size_t kinds[] = {40, 1000, 20000, 100000, 3 * MIB};
        for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
            size_t n = kinds[kind];
            while (count * n < ROOM / 3)
                CHECK(give(n), "%zu of %zu bytes, errno %d", count, n, errno);
            while (count < MOST && count * n < 2 * (size_t)ROOM && give(n))
                ;
            CHECK(count * n < 2 * (size_t)ROOM, "the limit has no effect");
            CHECK(count == MOST || errno == ENOMEM, "errno %d", errno);
            if (n < 2 * MIB)
                CHECK(calloc(3, 40 * MIB) == NULL && errno == ENOMEM);
            free_all();
            malloc_trim(0);
        }
    }
    CHECK(setrlimit(RLIMIT_DATA, &before) == 0);
    while (count * 20000 < 2 * (size_t)ROOM)
        CHECK(give(20000), "after the limit was lifted");
    free_all();
    return 0;
}
