/* Usage: sized SIZE WRONG [ALIGN]
   Frees an object of SIZE bytes as one of WRONG bytes. */
#include "check.h"

extern void free_sized(void *, size_t) __attribute__((weak));
extern void free_aligned_sized(void *, size_t, size_t) __attribute__((weak));

int main(int argc, char **argv)
{
    size_t size = strtoul(argv[1], NULL, 0), wrong = strtoul(argv[2], NULL, 0);
    CHECK(free_sized != NULL && free_aligned_sized != NULL);
    use_up_first_requests();
    if (argc > 3) {
        size_t align = strtoul(argv[3], NULL, 0);
        free_aligned_sized(aligned_alloc(align, size), align, wrong);
    } else {
        free_sized(malloc(size), wrong);
    }
    return 0;
}
