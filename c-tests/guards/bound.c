/* The pool's bound: however many objects are guarded, the process has as many mappings as after the
   first ones. Prints the most KiB that are resident and
   no file's, for a comparison with a run without guards, and the KiB of guarded objects: no other
   object of this program is mapped. */
#include "../check.h"
#include <fcntl.h>

#define MANY 4000

/* What of this process is resident and no file's, KiB. */
static long anonymous_kib(void) {
    char text[256];
    int file = open("/proc/self/statm", O_RDONLY);
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    CHECK(length > 0);
    text[length] = 0;
    long resident, shared;
    CHECK(sscanf(text, "%*d %ld %ld", &resident, &shared) == 2);
    return (resident - shared) * (sysconf(_SC_PAGESIZE) / 1024);
}

static unsigned mappings(void) {
    static char text[1 << 16];
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps);
    setbuf(maps, NULL);
    unsigned lines = 0;
    size_t got;
    while ((got = fread(text, 1, sizeof text, maps)) != 0) {
        for (size_t i = 0; i < got; i++) {
            lines += text[i] == '\n';
        }
    }
    fclose(maps);
    return lines;
}

static char *all[MANY];

int main(void) {
    size_t guarded = 0;
    long most_resident = 0;
    size_t most_open = 0;
    memset(all, 1, sizeof all);
    memset(all, 0, sizeof all);
    for (int i = 0; i < 20; i++) {
        free(malloc(100));
    }
    mappings();
    unsigned before = mappings();
    /* As full as it becomes, with objects of a page and of four. */
    for (int round = 0; round < 20; round++) {
        size_t size = round % 2 ? 100 : 16384;
        for (int i = 0; i < 400; i++) {
            all[i] = malloc(size);
            memset(all[i], round, size);
            guarded += malloc_usable_size(all[i]) == size;
        }
        struct mallinfo2 info = mallinfo2();
        most_open = info.hblkhd > most_open ? info.hblkhd : most_open;
        long resident = anonymous_kib();
        most_resident = resident > most_resident ? resident : most_resident;
        unsigned now = mappings();
        /* By the mappings a slot in use is one, and so is what lies before it. */
        unsigned most = getenv("BY_MAPPING") ? before + 260 : before + 2;
        if (now > most) {
            fprintf(stderr, "%u mappings, %u before\n", now, before);
            return 1;
        }
        for (int i = 0; i < 400; i++) {
            free(all[i]);
        }
    }
    /* 80 pages, of which an object takes one or four: else nothing of this was seen. */
    CHECK(!getenv("CAIRN_GUARD") || *getenv("CAIRN_GUARD") == '0' || guarded >= 10 * (70 + 18));
    printf("%ld %zu\n", most_resident, most_open / 1024);
    return 0;
}
