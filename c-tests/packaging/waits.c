/* Prints the address of an object, and waits for a line. */
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    void *volatile p = malloc(100);
    if (p == NULL)
        return 1;
    printf("%lx\n", (unsigned long)p);
    fflush(stdout);
    return getchar() == EOF;
}
