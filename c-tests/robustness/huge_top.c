/* A heap that grows by huge pages is trimmed: what nobody has asked for behind its last object is
   resident since the first touch of its huge page, and goes back as well.

   Exits with 77 where the kernel gives no huge pages. */
#include "check.h"
#include <fcntl.h>
#include <sys/mman.h>

enum { OBJECT = 1000, LEFT_KIB = 512 };

/* The number behind a key in a file of /proc, without an allocation. */
static long read_kib(const char *key)
{
    static char text[8192];
    int file = open("/proc/self/smaps_rollup", O_RDONLY);
    CHECK(file >= 0);
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    CHECK(length > 0);
    text[length] = 0;
    const char *at = strstr(text, key);
    CHECK(at != NULL, "%s", key);
    return atol(at + strlen(key));
}

int main(void)
{
    /* The break would go back as a whole: this heap is a reservation. */
    CHECK(mmap(sbrk(0), 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0)
          != MAP_FAILED);
    static void *all[8 << 10];
    long huge = 0;
    for (size_t count = 2 << 10; count <= sizeof all / sizeof *all; count += 512) {
        for (size_t i = 0; i < count; i++) {
            CHECK((all[i] = malloc(OBJECT)) != NULL);
            memset(all[i], 1, OBJECT);
        }
        long now = read_kib("\nAnonHugePages:");
        huge = now > huge ? now : huge;
        for (size_t i = 0; i < count; i++)
            free(all[i]);
        malloc_trim(0);
        long left = read_kib("\nAnonymous:");
        CHECK(left <= LEFT_KIB, "%ld KiB after %zu objects", left, count);
    }
    return huge == 0 ? 77 : 0;
}
