/* What the tests' programs use of newer versions of glibc, for older ones: mallinfo2, which came with
 * 2.33. A preloaded library may have it all the same. (Not asked of `dlsym`: that of an older glibc
 * allocates, which a program here may count.) */
#ifndef OLDER_GLIBC_H
#define OLDER_GLIBC_H

#include <malloc.h>

/* Both the structure and the function. */
#define mallinfo2 mallinfo2_or_less

struct mallinfo2 {
    size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
};

extern struct mallinfo2 mallinfo2_of_library(void) __asm__("mallinfo2") __attribute__((weak));

static inline struct mallinfo2 mallinfo2(void)
{
    if (mallinfo2_of_library)
        return mallinfo2_of_library();
    struct mallinfo m = mallinfo();
    return (struct mallinfo2){
        (unsigned)m.arena, (unsigned)m.ordblks, (unsigned)m.smblks, (unsigned)m.hblks,
        (unsigned)m.hblkhd, (unsigned)m.usmblks, (unsigned)m.fsmblks, (unsigned)m.uordblks,
        (unsigned)m.fordblks, (unsigned)m.keepcost,
    };
}

#endif
