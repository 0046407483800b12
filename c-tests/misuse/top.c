/* Usage: top BYTES
   Overwrites the header of top from the end of the last object by BYTES, then
   asks for memory that comes from top. */
#include "check.h"

enum { SIZE = 100000 };

int main(int argc, char **argv)
{
    size_t bytes = strtoul(argv[1], NULL, 0);
    unsigned char *last = NULL;
    for (int i = 0; i < 3; i++) {
        unsigned char *p = malloc(SIZE);
        last = p > last ? p : last;
    }
    unsigned char *header = last + malloc_usable_size(last);
    for (size_t i = 0; i < bytes; i++)
        header[i] = (unsigned char)~header[i];
    for (int i = 0; i < 3; i++)
        CHECK(malloc(SIZE) != NULL);
    return 0;
}
