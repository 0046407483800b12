/* Misuse of an object in check mode, each step in a section of its own, whose bounds are printed: the
   first argument is "double", "overflow", "late" (a write after the free, seen later) or "resized". */
#include "../guards/steps.h"
#include "check.h"

STEP(take_step) static char *take(size_t n)
{
    char *p = malloc(n);
    __asm__ volatile("" ::: "memory");
    return p;
}

STEP(resize_step) static char *resize(char *p, size_t n)
{
    p = realloc(p, n);
    __asm__ volatile("" ::: "memory");
    return p;
}

STEP(drop_step) static void drop(char *p)
{
    free(p);
    __asm__ volatile("" ::: "memory");
}

/* Whatever byte is there, it changes. */
static void turn(char *p, int i)
{
    p[i] = (char)~p[i];
}

int main(int count, char **arguments)
{
    CHECK(count == 2);
    BOUNDS(take_step);
    BOUNDS(resize_step);
    BOUNDS(drop_step);
    fflush(stdout);
    char *p = take(100);
    switch (arguments[1][0]) {
    case 'd':
        drop(p);
        drop(p);
        break;
    case 'o':
        turn(opaque(p), 100);
        drop(p);
        break;
    case 'r':
        p = resize(p, 90);
        turn(opaque(p), 90);
        drop(p);
        break;
    default:
        drop(p);
        turn(opaque(p), 50);
        malloc_trim(0);
    }
    return 0;
}
