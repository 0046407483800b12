/* A heap for readers outside: NUMBER objects of up to SIZE bytes, of which every KEEPth stays, some
   mapped chunks, and THREADS threads that hold what they freed last. Then it does what each line of
   its input says, and answers with one line:

   i  the figures of mallinfo2
   x  malloc_info, and a line "end"
   t  malloc_trim(0), and what is resident before and after, KiB
   q  the end */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAPPED = 5 };

static pthread_barrier_t filled;

static void *work(void *argument)
{
    unsigned seed = (unsigned)(size_t)argument;
    void *held[500] = {0};
    for (int i = 0; i < 20000; i++) {
        seed = seed * 1103515245 + 12345;
        void **place = &held[(seed >> 8) % 500];
        free(*place);
        *place = malloc(16 + (seed >> 4) % 3000);
        if (*place == NULL)
            exit(1);
        memset(*place, 1, 16);
    }
    pthread_barrier_wait(&filled);
    for (;;)
        pause();
    return NULL;
}

/* What is resident, KiB, without a call of malloc. */
static long resident(void)
{
    char text[64] = {0};
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL)
        exit(1);
    setvbuf(file, NULL, _IONBF, 0);
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    long all = 0, pages = 0;
    if (n == 0 || sscanf(text, "%ld %ld", &all, &pages) != 2)
        exit(1);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

int main(int count, char **arguments)
{
    if (count != 5)
        return 1;
    long number = atol(arguments[1]), size = atol(arguments[2]);
    long keep = atol(arguments[3]), threads = atol(arguments[4]);
    void **all = calloc((size_t)number, sizeof *all);
    if (all == NULL)
        return 1;
    srand(7);
    for (long i = 0; i < number; i++) {
        size_t bytes = 1 + (size_t)(rand() % size);
        all[i] = malloc(bytes);
        if (all[i] == NULL)
            return 1;
        memset(all[i], 1, bytes);
    }
    for (long i = 0; i < number; i++)
        if (rand() % keep != 0) {
            free(all[i]);
            all[i] = NULL;
        }
    for (int i = 0; i < MAPPED; i++) {
        char *mapped = malloc((size_t)(1 + i) << 20);
        if (mapped == NULL)
            return 1;
        memset(mapped, 1, (size_t)(1 + i) << 19);
        /* What is only read is the kernel's page of zeros, and no memory of the process's. */
        volatile char *read = mapped;
        for (size_t at = (size_t)(1 + i) << 19; at < (size_t)(1 + i) << 20; at += 4096)
            (void)read[at];
    }
    pthread_barrier_init(&filled, NULL, (unsigned)threads + 1);
    for (long i = 0; i < threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, (void *)i) != 0)
            return 1;
    }
    pthread_barrier_wait(&filled);
    /* Whatever a first call takes is there before anybody looks. */
    static char buffer[BUFSIZ];
    setvbuf(stdin, buffer, _IOFBF, sizeof buffer);
    resident();
    printf("ready\n");
    fflush(stdout);
    for (int word; (word = getchar()) != EOF && word != 'q';) {
        if (word == 'i') {
            struct mallinfo2 m = mallinfo2();
            printf("%zu %zu %zu %zu %zu %zu %zu %zu %zu\n", m.arena, m.ordblks, m.smblks,
                   m.hblks, m.hblkhd, m.fsmblks, m.uordblks, m.fordblks, m.keepcost);
        } else if (word == 'x') {
            malloc_info(0, stdout);
            printf("end\n");
        } else if (word == 't') {
            long before = resident();
            malloc_trim(0);
            printf("%ld %ld\n", before, resident());
        }
        fflush(stdout);
    }
    return 0;
}
