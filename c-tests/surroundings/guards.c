/* Usage: guards break|mapping: what lies around Cairn's own tables, which come behind the library's
   file and perhaps some single words, once the heap has grown, or memory was mapped beside it. */
#define _GNU_SOURCE
#include "check.h"

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    if (!strcmp(argv[1], "break"))
        for (int i = 0; i < 4096; i++)
            CHECK(malloc(1000) != NULL);
    else
        CHECK(malloc(1 << 20) != NULL);

    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    char line[512];
    unsigned long end = 0;
    int behind = 0; /* anonymous mappings behind the file, side by side */
    while (behind < 3 && fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        char access[5];
        CHECK(sscanf(line, "%lx-%lx %4s", &from, &to, access) == 3);
        if (strstr(line, "libcairn.so")) {
            end = to;
        } else if (end != 0) {
            CHECK(from == end);
            end = to;
            if (behind == 0 && !strcmp(access, "rw-p") && to - from == 4096)
                continue;
            const char *want = behind == 1 ? "rw-p" : "---p";
            CHECK(!strcmp(access, want));
            behind++;
        }
    }
    CHECK(behind == 3);
    return 0;
}
