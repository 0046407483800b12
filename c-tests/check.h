/* What every C test here shares: CHECK says which promise broke and ends the
   program; opaque() hides from the compiler where a pointer came from, so that
   it neither warns about misuse that is the point of the test nor removes it. */
#ifndef CAIRN_CHECK_H
#define CAIRN_CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(promise, ...)                                              \
    do {                                                                 \
        if (!(promise)) {                                                \
            dprintf(2, "%s:%d: broken: %s", __FILE__, __LINE__, #promise); \
            dprintf(2, " " __VA_ARGS__);                                 \
            dprintf(2, "\n");                                            \
            _exit(1);                                                    \
        }                                                                \
    } while (0)

static inline void *opaque(void *p)
{
    void *volatile hidden = p;
    return hidden;
}

/* A size that the compiler cannot check against its limits. */
static inline size_t any(size_t n)
{
    volatile size_t hidden = n;
    return hidden;
}

/* An arena serves its first requests with chunks, also where runs are for their size. After
   this it does so no more. */
static inline void use_up_first_requests(void)
{
    for (int i = 0; i < 64; i++)
        CHECK(malloc(any(24)) != NULL);
}

#endif
