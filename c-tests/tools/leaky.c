/* What a search for leaks has to tell apart: a site that loses an object in each turn, one that fills a
 * table at the start and keeps it, one whose objects live for a turn, and one that had most of all
 * and freed it. Turns for as long as nobody writes to it, or as often as the argument says. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"

enum { SIZE = 4096, TABLE = 500, PEAK = 3000, BRIEF = 3 };

#define SITE(name)                                                                                   \
    __attribute__((noinline)) static char *name(void)                                                \
    {                                                                                                \
        char *volatile p = malloc(SIZE);                                                             \
        CHECK(p != NULL);                                                                            \
        p[0] = 1;                                                                                    \
        return p;                                                                                    \
    }

SITE(site_lost)
SITE(site_table)
SITE(site_brief)
SITE(site_peak)

static char *table[TABLE], *peak[PEAK];

int main(int argc, char **argv)
{
    long turns = argc > 1 ? strtol(argv[1], NULL, 0) : -1;
    for (int i = 0; i < TABLE; i++)
        table[i] = site_table();
    for (int i = 0; i < PEAK; i++)
        peak[i] = site_peak();
    for (int i = 0; i < PEAK; i++)
        free(peak[i]);
    puts("ready");
    fflush(stdout);
    struct pollfd word = {.fd = 0, .events = POLLIN};
    char *brief[BRIEF] = {0};
    for (long turn = 0; turns < 0 ? poll(&word, 1, 0) == 0 : turn < turns; turn++) {
        site_lost();
        for (int i = 0; i < BRIEF; i++) {
            free(brief[i]);
            brief[i] = site_brief();
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return 0;
}
