/* A lost block, a write past a block and a read after free, for a checking tool to find. */
#include <stdlib.h>

int main(void)
{
    char *volatile lost = malloc(50);
    lost = NULL;
    (void)lost;
    char *volatile short_by_one = malloc(40);
    short_by_one[40] = 1;
    free(short_by_one);
    char *volatile freed = malloc(30);
    free(freed);
    volatile char read = freed[3];
    (void)read;
    return 0;
}
