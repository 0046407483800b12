/* What the tests' programs use of newer versions of glibc, for older ones: mallinfo2, which came with
 * 2.33. A preloaded library may have it all the same. */
#ifndef OLDER_GLIBC_H
#define OLDER_GLIBC_H

#include <dlfcn.h>
#include <malloc.h>

/* Both the structure and the function. */
#define mallinfo2 mallinfo2_by_name

struct mallinfo2 {
    size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
};

static inline struct mallinfo2 mallinfo2(void)
{
    struct mallinfo2 (*of_library)(void) =
        (struct mallinfo2 (*)(void))dlsym(RTLD_DEFAULT, "mallinfo2");
    if (of_library)
        return of_library();
    struct mallinfo m = mallinfo();
    return (struct mallinfo2){
        (unsigned)m.arena, (unsigned)m.ordblks, (unsigned)m.smblks, (unsigned)m.hblks,
        (unsigned)m.hblkhd, (unsigned)m.usmblks, (unsigned)m.fsmblks, (unsigned)m.uordblks,
        (unsigned)m.fordblks, (unsigned)m.keepcost,
    };
}

#endif
