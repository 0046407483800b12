/* A thread whose very first call asks for an alignment gets it, also when other
   threads have long worked: the arena it is given is not the one they use. */
#include "check.h"
#include <pthread.h>
#include <stdint.h>

static void *first_call(void *unused)
{
    for (size_t align = 32; align <= 128; align *= 2) {
        for (size_t size = 1; size <= 128; size++) {
            void *p = aligned_alloc(align, size);
            CHECK(p != NULL && (uintptr_t)p % align == 0);
        }
    }
    return unused;
}

int main(void)
{
    for (size_t size = 1; size <= 128; size++)
        for (int i = 0; i < 100; i++)
            CHECK(opaque(malloc(size)) != NULL);
    for (int i = 0; i < 8; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, first_call, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    return 0;
}
