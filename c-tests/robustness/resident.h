/* What of this process is resident, KiB, read without a stream, which would allocate. */
#include "check.h"
#include <fcntl.h>

static inline long resident_kib(void)
{
    char text[256];
    int file = open("/proc/self/statm", O_RDONLY);
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    CHECK(length > 0);
    text[length] = 0;
    char *end;
    strtol(text, &end, 10);
    return strtol(end, NULL, 10) * (sysconf(_SC_PAGESIZE) / 1024);
}
