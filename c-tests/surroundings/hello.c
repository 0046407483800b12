/* Works a little, with threads, and says on whose malloc. */
#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>

static void *work(void *unused)
{
    churn(4, 500);
    return unused;
}

int main(void)
{
    pthread_t threads[3];
    for (int at = 0; at < 3; at++)
        CHECK(pthread_create(&threads[at], NULL, work, NULL) == 0);
    work(NULL);
    for (int at = 0; at < 3; at++)
        CHECK(pthread_join(threads[at], NULL) == 0);
    Dl_info where;
    int known = dladdr(dlsym(RTLD_DEFAULT, "malloc"), &where);
    int is_cairn = known != 0 && strstr(where.dli_fname, "libcairn") != NULL;
    puts(is_cairn ? "hello on cairn" : "hello on another malloc");
    return 0;
}
