/* A library that hands on what its malloc gives: loaded with RTLD_DEEPBIND,
   that is the C library's, whatever the program runs on. */
#include <stdlib.h>

void *give(size_t n)
{
    return malloc(n);
}

void take(void *p)
{
    free(p);
}
