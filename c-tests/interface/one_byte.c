/* Prints the usable size of one byte. */
#include "check.h"

int main(void)
{
    dprintf(1, "%zu", malloc_usable_size(malloc(1)));
    return 0;
}
