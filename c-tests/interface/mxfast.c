/* Usage: mxfast waits|merges [PARAMETER VALUE]
   Freed chunks wait in fastbins up to the size of mxfast; 0 switches them off. */
#include "check.h"

enum { COUNT = 3000, SIZE = 600 };

int main(int argc, char **argv)
{
    static void *p[COUNT];
    if (argc > 3)
        CHECK(mallopt(atoi(argv[2]), atoi(argv[3])) == 1);
    for (int i = 0; i < COUNT; i++)
        p[i] = malloc(SIZE);
    for (int i = 0; i < COUNT; i += 2)
        free(p[i]);
    struct mallinfo2 info = mallinfo2();
    if (strcmp(argv[1], "waits") == 0)
        CHECK(info.smblks > 0 && info.fsmblks >= info.smblks * SIZE);
    else
        CHECK(info.smblks == 0 && info.fsmblks == 0, "(%zu chunks wait)", info.smblks);
    for (int i = 1; i < COUNT; i += 2)
        free(p[i]);
    return 0;
}
