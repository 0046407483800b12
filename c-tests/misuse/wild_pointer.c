/* Usage: wild_pointer CALL WHERE [SIZE]
   Hands a pointer that no call ever gave out to CALL (free, realloc,
   usable_size). WHERE is a place that has a name, an address, or +OFFSET into
   an object of SIZE bytes. */
#include "check.h"
#include <sys/mman.h>

static char global[4096] __attribute__((aligned(4096)));
static const char constant[64] __attribute__((aligned(16))) = "constant";

static void *find(const char *where, size_t size)
{
    /* The frame is gone when the pointer is used; only its address counts. */
    char local[256] __attribute__((aligned(16)));
    use_up_first_requests();
    char *object = malloc(size);
    CHECK(object != NULL && malloc(size) != NULL);
    memset(object, 0, size);
    if (where[0] == '+')
        return object + strtoul(where + 1, NULL, 0);
    if (strcmp(where, "stack") == 0)
        return opaque(local + 64);
    if (strcmp(where, "global") == 0)
        return global + 64;
    if (strcmp(where, "page") == 0)
        return global;
    if (strcmp(where, "constant") == 0)
        return (char *)constant + 16;
    if (strcmp(where, "code") == 0)
        return (void *)(((uintptr_t)find + 15) & ~(uintptr_t)15);
    if (strcmp(where, "mapping") == 0) {
        char *mapping = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(mapping != MAP_FAILED);
        return mapping + 4096 + 16;
    }
    if (strcmp(where, "inaccessible") == 0) {
        char *mapping = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(mapping != MAP_FAILED);
        return mapping + 4096 + 16;
    }
    if (strcmp(where, "sbrk") == 0) {
        /* Memory from below the break that is not the allocator's. */
        char *own = sbrk(1 << 20);
        CHECK(own != (void *)-1);
        return (void *)(((uintptr_t)own + (1 << 19)) & ~(uintptr_t)15);
    }
    if (strcmp(where, "break") == 0)
        return (void *)(((uintptr_t)sbrk(0) + 4096) & ~(uintptr_t)4095);
    if (strcmp(where, "top") == 0)
        return (void *)(((uintptr_t)sbrk(0) & ~(uintptr_t)4095) - 4096 + 16);
    return (void *)strtoull(where, NULL, 0);
}

int main(int argc, char **argv)
{
    void *p = opaque(find(argv[2], argc > 3 ? strtoul(argv[3], NULL, 0) : 100));
    if (strcmp(argv[1], "free") == 0)
        free(p);
    else if (strcmp(argv[1], "realloc") == 0)
        opaque(realloc(p, any(200)));
    else if (strcmp(argv[1], "usable_size") == 0)
        return malloc_usable_size(p) == 0;
    return 0;
}
