/* What the statistics build tells. "again": 32 MiB of pages are used, go back
   and are used again; "once": the same, but they do not go back. "waits": four
   threads that fill and empty their caches from one arena; "alone": one. */
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 5000, PIECES = (32 << 20) / PIECE, THREADS = 4, OBJECTS = 3000, ROUNDS = 200 };

static void use(int goes)
{
    static void *all[PIECES];
    void *last = NULL;
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < PIECES; i++) {
            if ((all[i] = malloc(PIECE)) == NULL)
                abort();
            memset(all[i], 1, PIECE);
        }
        /* It lies behind them, so that the heap is as long as it was. */
        if (last == NULL)
            last = malloc(PIECE);
        for (int i = 0; i < PIECES; i++)
            free(all[i]);
        if (goes)
            malloc_trim(0);
    }
    free(last);
}

static void *work(void *unused)
{
    void *all[OBJECTS];
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < OBJECTS; i++)
            if ((all[i] = malloc(700)) == NULL)
                abort();
        for (int i = 0; i < OBJECTS; i++)
            free(all[i]);
    }
    return unused;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 1;
    if (strcmp(argv[1], "again") == 0 || strcmp(argv[1], "once") == 0) {
        use(argv[1][0] == 'a');
        return 0;
    }
    pthread_t threads[THREADS];
    int count = strcmp(argv[1], "waits") == 0 ? THREADS : 1;
    for (int t = 0; t < count; t++)
        if (pthread_create(&threads[t], NULL, work, NULL) != 0)
            return 1;
    for (int t = 0; t < count; t++)
        if (pthread_join(threads[t], NULL) != 0)
            return 1;
    return 0;
}
