/* Steps of a program, each in a section of its own: a frame of a stack is told by the address in the
   program's file, whose bounds BOUNDS prints. */
#include <stdio.h>

/* Where the program's file begins in memory. */
extern char __ehdr_start[];

#define STEP(name) __attribute__((noinline, section(#name)))
#define BOUNDS(name)                                                                                \
    do {                                                                                            \
        extern char __start_##name[], __stop_##name[];                                              \
        printf(#name " 0x%tx 0x%tx\n", __start_##name - __ehdr_start, __stop_##name - __ehdr_start); \
    } while (0)
