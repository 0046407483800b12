/* Usage: overflow SIZE AT BYTES HOW CALL
   Writes BYTES bytes AT bytes behind the end of an object of SIZE bytes, then
   makes the call that is to notice it.
   HOW: turned (each byte becomes its opposite), zero.
   CALL: free, realloc, usable_size, sized, trim, exit, other (frees another). */
#include "check.h"

extern void free_sized(void *, size_t) __attribute__((weak));

int main(int argc, char **argv)
{
    CHECK(argc == 6);
    size_t size = strtoul(argv[1], NULL, 0), at = strtoul(argv[2], NULL, 0), bytes = strtoul(argv[3], NULL, 0);
    const char *call = argv[5];
    void *before = malloc(size), *other = opaque(malloc(size));
    unsigned char *p = opaque(malloc(size));
    CHECK(before != NULL && other != NULL && p != NULL);
    memset(p, 0x41, size);
    for (size_t i = 0; i < bytes; i++) {
        unsigned char *byte = p + size + at + i;
        *byte = strcmp(argv[4], "zero") == 0 ? 0 : (unsigned char)~*byte;
    }
    if (strcmp(call, "free") == 0)
        free(p);
    else if (strcmp(call, "realloc") == 0)
        opaque(realloc(p, any(size + 1)));
    else if (strcmp(call, "usable_size") == 0)
        return malloc_usable_size(p) == 1;
    else if (strcmp(call, "sized") == 0)
        free_sized(p, size);
    else if (strcmp(call, "trim") == 0)
        malloc_trim(0);
    else if (strcmp(call, "other") == 0)
        free(other);
    else
        return strcmp(call, "exit") != 0;
    _exit(0);
}
