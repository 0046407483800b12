/* Threads that are cancelled while they allocate, and while they print
   malloc_stats, leave no lock held: everyone else allocates and prints on. */
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>

static sem_t running;

static void *allocates(void *unused)
{
    (void)unused;
    sem_post(&running);
    for (;;) {
        free(malloc(100));
        free(malloc(3000));
        pthread_testcancel();
    }
    return NULL;
}

static void *prints(void *unused)
{
    (void)unused;
    sem_post(&running);
    for (;;) {
        malloc_stats();
        pthread_testcancel();
    }
    return NULL;
}

/* Is cancelled at the first place in malloc_stats where it can be. */
static void *condemned(void *unused)
{
    pthread_cancel(pthread_self());
    sem_post(&running);
    malloc_stats();
    pthread_testcancel();
    return unused;
}

int main(void)
{
    static void *(*const kinds[])(void *) = {allocates, prints, condemned};
    int nowhere = open("/dev/null", O_WRONLY);
    int kept = dup(2);
    CHECK(nowhere >= 0 && kept >= 0 && dup2(nowhere, 2) == 2);
    sem_init(&running, 0, 0);
    int failures = 0;
    for (int round = 0; round < 100; round++) {
        pthread_t thread;
        void *result = NULL;
        failures += pthread_create(&thread, NULL, kinds[round % 3], NULL) != 0;
        while (sem_wait(&running) != 0)
            ;
        if (kinds[round % 3] != condemned)
            failures += pthread_cancel(thread) != 0;
        failures += pthread_join(thread, &result) != 0;
        failures += result != PTHREAD_CANCELED;
        void *p = malloc(3000);
        failures += p == NULL;
        free(p);
        malloc_stats();
    }
    /* Reports go to the real stderr again. */
    CHECK(dup2(kept, 2) == 2);
    CHECK(failures == 0, "(%d)", failures);
    return 0;
}
