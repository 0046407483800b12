/* Usage: limits WHAT
   refused: a mapped object that cannot grow, for want of address space, stays as
   it is, with ENOMEM, and can shrink, grow within its pages, and be freed.
   exact: one that can grow but not get addresses to grow further does grow.
   sparse: one of which hardly anything was touched takes no memory by growing. */
#include "check.h"
#include <sys/resource.h>

#define MIB ((size_t)1 << 20)

static size_t kib(const char *field)
{
    char line[256];
    size_t found = 0;
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, field, strlen(field)) == 0)
            found = strtoul(line + strlen(field), NULL, 10);
    fclose(status);
    return found;
}

static void limit(size_t more)
{
    size_t all = kib("VmSize:") * 1024 + more;
    struct rlimit to = { all, all };
    CHECK(setrlimit(RLIMIT_AS, &to) == 0);
}

static void whole(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        CHECK(p[i] == 0x41, "(byte %zu)", i);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    const char *what = argv[1];
    size_t n = 20 * MIB + 5;
    unsigned char *p = opaque(malloc(n)), *same = opaque(p);
    CHECK(p != NULL);
    if (strcmp(what, "refused") == 0) {
        memset(p, 0x41, n);
        limit(8 * MIB);
        errno = 0;
        CHECK(opaque(realloc(p, any(2 * n))) == NULL && errno == ENOMEM);
        CHECK(malloc_usable_size(p) == n);
        whole(p, n);
        CHECK((p = opaque(realloc(p, any(n / 3)))) == same && malloc_usable_size(p) == n / 3);
        whole(p, n / 3);
        CHECK((p = opaque(realloc(p, any(n / 2)))) == same);
        whole(p, n / 3);
        errno = 77;
        free(p);
        CHECK(errno == 77);
    } else if (strcmp(what, "exact") == 0) {
        memset(p, 0x41, n);
        limit(40 * MIB);
        CHECK((p = opaque(realloc(p, any(n + 9 * MIB)))) != NULL && mallinfo2().hblks == 1);
        whole(p, n);
        free(p);
    } else {
        n = 256 * MIB;
        CHECK((p = opaque(realloc(p, any(n)))) != NULL);
        p[0] = p[n / 2 + 1] = p[n - 1] = 0x41;
        /* The second finds the addresses that the first one left it, the third moves. */
        for (int i = 0; i < 3; i++) {
            CHECK((p = opaque(realloc(p, any(n + 300 * MIB)))) != NULL);
            CHECK(p[0] == 0x41 && p[n - 1] == 0x41);
            n += 300 * MIB;
            p[n - 1] = 0x41;
        }
        CHECK(p[128 * MIB + 1] == 0x41);
        CHECK(kib("VmHWM:") < 32 * 1024, "(%zu KiB)", kib("VmHWM:"));
        free(p);
    }
    return 0;
}
