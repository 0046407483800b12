/* Allocation in preinit functions and constructors, and, after exit began, in
   atexit functions and destructors, with memory handed from each to the next,
   while another thread goes on allocating to the end. */
#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>

static char *from_preinit, *from_constructor, *from_main, *from_exit;
static atomic_int started;

static void before_constructors(void)
{
    from_preinit = malloc(100);
    CHECK(from_preinit != NULL);
    fill(from_preinit, 100, 1);
}
__attribute__((section(".preinit_array"), used)) static void (*preinit)(void) = before_constructors;

__attribute__((constructor)) static void construct(void)
{
    CHECK(is_filled(from_preinit, 100, 1));
    from_preinit = realloc(from_preinit, 5000);
    CHECK(from_preinit != NULL && is_filled(from_preinit, 100, 1) == 1);
    from_constructor = calloc(3, 70);
    CHECK(from_constructor != NULL);
    for (int at = 0; at < 210; at++)
        CHECK(from_constructor[at] == 0);
    fill(from_constructor, 210, 2);
    churn(9, 2000);
}

__attribute__((destructor)) static void destruct(void)
{
    CHECK(is_filled(from_exit, 300000, 4));
    free(from_exit);
    CHECK(is_filled(from_constructor, 210, 2));
    free(from_constructor);
    churn(10, 2000);
}

static void at_exit(void)
{
    CHECK(is_filled(from_main, 64, 3));
    free(from_main);
    from_exit = malloc(300000);
    CHECK(from_exit != NULL);
    fill(from_exit, 300000, 4);
    churn(11, 2000);
}

static void *allocate_to_the_end(void *unused)
{
    atomic_store(&started, 1);
    for (unsigned round = 0;; round++)
        churn(round, 100);
    return unused;
}

int main(void)
{
    check_served();
    free(from_preinit);
    CHECK(atexit(at_exit) == 0);
    from_main = malloc(64);
    CHECK(from_main != NULL);
    fill(from_main, 64, 3);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, allocate_to_the_end, NULL) == 0);
    CHECK(pthread_detach(thread) == 0);
    while (!atomic_load(&started))
        ;
    exit(0);
}
