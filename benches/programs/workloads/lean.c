/* Allocates a few kilobytes and writes its peak resident size in KiB, without
 * a call that allocates. */
#include <stdlib.h>
#include <string.h>
#include "resident.h"

int main(void)
{
    enum { OBJECTS = 40 };
    char *objects[OBJECTS];
    for (int i = 0; i < OBJECTS; i++) {
        size_t size = 16 + (size_t)(i * 7) % 200;
        objects[i] = malloc(size);
        if (objects[i] == NULL)
            return 1;
        memset(objects[i], i, size);
    }
    for (int i = 0; i < OBJECTS; i++)
        free(objects[i]);
    say("peak_kib", read_kib("/proc/self/status", "VmHWM:"));
    return 0;
}
