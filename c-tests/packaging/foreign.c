/* The second copy is given what the first one gave out. Arguments: their
   paths, what is called, and the size. */
#include "packaging/own_copy.h"

int main(int count, char **arguments)
{
    CHECK(count == 5);
    struct copy first = load_copy(arguments[1], 0), second = load_copy(arguments[2], 0);
    second.free(second.malloc(100));
    void *p = first.malloc(strtoul(arguments[4], NULL, 10));
    CHECK(p != NULL);
    if (strcmp(arguments[3], "free") == 0)
        second.free(p);
    else if (strcmp(arguments[3], "realloc") == 0)
        second.realloc(p, 300);
    else
        second.usable(p);
    return 0;
}
