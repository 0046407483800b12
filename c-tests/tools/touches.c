/* Touches pages of the heap as often as its arguments say, and in order: NEW pages are written, freed,
   trimmed and written AGAIN; READ pages of a mapped chunk are read and then written; a child writes
   COPIED of the first pages, and then the parent does. With `wait` it waits for a line once the NEW
   pages are written, and for one more in the end. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, CHUNK = 24 * PAGE, MOST = 4096 };

static char *chunks[MOST];

static void take(long pages)
{
    for (long i = 0; i < pages * PAGE / CHUNK; i++) {
        chunks[i] = malloc(CHUNK - 64);
        if (chunks[i] == NULL)
            exit(1);
        memset(chunks[i], 1, CHUNK - 64);
    }
}

static void write_first(long pages)
{
    for (long i = 0; i < pages * PAGE / CHUNK; i++)
        memset(chunks[i], 2, CHUNK - 64);
}

static void line(void)
{
    char byte;
    while (read(0, &byte, 1) == 1 && byte != '\n')
        ;
}

int main(int count, char **arguments)
{
    if (count < 5)
        return 1;
    long new = atol(arguments[1]), again = atol(arguments[2]);
    long only_read = atol(arguments[3]), copied = atol(arguments[4]);
    int waits = count > 5;
    take(new);
    if (waits) {
        if (write(1, "ready\n", 6) != 6)
            return 1;
        line();
    }
    for (long i = 0; i < new * PAGE / CHUNK; i++)
        free(chunks[i]);
    malloc_trim(0);
    take(again);
    if (only_read != 0) {
        char *mapped = malloc((size_t)only_read * PAGE);
        if (mapped == NULL)
            return 1;
        volatile char *read = mapped;
        for (long i = 0; i < only_read; i++)
            (void)read[i * PAGE];
        memset(mapped, 1, (size_t)only_read * PAGE);
    }
    if (copied != 0) {
        pid_t child = fork();
        if (child == 0) {
            write_first(copied);
            _exit(0);
        }
        if (child < 0 || waitpid(child, NULL, 0) != child)
            return 1;
        write_first(copied);
    }
    if (waits) {
        if (write(1, "done\n", 5) != 5)
            return 1;
        line();
    }
    return 0;
}
