/* Two copies of the library (their paths are the arguments) in one program,
   which may run on a third: each has a heap, threads and storage of its own. */
#include "packaging/own_copy.h"
#include <pthread.h>
#include <sys/wait.h>

static struct copy copies[3];

static void *thread(void *seed)
{
    for (unsigned round = 0; round < 6; round++)
        use_copy(&copies[round % 3], (unsigned)(uintptr_t)seed + round);
    return NULL;
}

int main(int count, char **arguments)
{
    CHECK(count == 3);
    copies[0] = load_copy(arguments[1], 0);
    copies[1] = load_copy(arguments[2], 0);
    copies[2] = (struct copy){NULL, malloc, calloc, realloc, memalign, free, malloc_usable_size};
    CHECK(copies[0].malloc != copies[1].malloc);
    thread(NULL);
    pthread_t threads[4];
    for (uintptr_t at = 0; at < 4; at++)
        CHECK(pthread_create(&threads[at], NULL, thread, (void *)at) == 0);
    for (int round = 0; round < 5; round++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            thread((void *)100);
            _exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    for (int at = 0; at < 4; at++)
        CHECK(pthread_join(threads[at], NULL) == 0);

    /* Interleaved, so that neighbouring addresses belong to different ones. */
    enum { COUNT = 3000 };
    static unsigned char *held[COUNT];
    for (unsigned at = 0; at < COUNT; at++) {
        held[at] = copies[at % 3].malloc(1 + at % 2000);
        CHECK(held[at] != NULL);
        fill(held[at], 1 + at % 2000, at);
    }
    for (unsigned at = 0; at < COUNT; at++) {
        check_filled(held[at], 1 + at % 2000, at);
        copies[at % 3].free(held[at]);
    }
    return 0;
}
