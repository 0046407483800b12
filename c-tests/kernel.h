/* The kernel's calls without libc, for programs that stand in front of libc's `syscall`. */
#ifndef KERNEL_H
#define KERNEL_H

#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>

/* The six arguments behind the last named one, into an array: as many as any call has. */
#define TAKE_ARGUMENTS(into, last)             \
    do {                                       \
        va_list list;                          \
        va_start(list, last);                  \
        for (int i = 0; i < 6; i++)            \
            (into)[i] = va_arg(list, long);    \
        va_end(list);                          \
    } while (0)

static inline long kernel(long nr, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
    long out;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(out)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return out;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = nr;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
#endif
}

/* What libc makes of the kernel's answer. */
static inline long answer(long out)
{
    if (out < 0 && out > -4096) {
        errno = (int)-out;
        return -1;
    }
    return out;
}

#endif
