/* A vector that doubles: when it leaves the heap for a mapping. */
#include "tour.h"
#include <string.h>

int main(void)
{
    char *vector = NULL;
    for (size_t size = 16 << 10; size <= 1 << 20; size *= 2) {
        /* As a vector whose elements have to be moved one by one. */
        char *longer = malloc(size);
        if (longer == NULL)
            return 1;
        if (vector != NULL)
            memcpy(longer, vector, size / 2);
        free(vector);
        vector = memset(longer, 1, size);
        fact("size", size);
        place("vector", vector);
        stop("grown");
    }
    free(vector);
    return 0;
}
