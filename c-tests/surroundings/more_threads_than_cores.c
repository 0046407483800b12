/* Sixteen threads hand memory on to each other and free what others allocated,
   aligned and cleared memory included; every byte belongs to one owner. */
#define _GNU_SOURCE
#include "check.h"
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 16, SLOTS = 4096, ROUNDS = 60000 };

struct object {
    size_t size;
    unsigned seed;
};

static _Atomic(struct object *) slots[SLOTS];

static void check_and_free(struct object *object)
{
    if (object == NULL)
        return;
    CHECK(is_filled(object + 1, object->size - sizeof *object, object->seed));
    CHECK(malloc_usable_size(object) >= object->size);
    free(object);
}

static struct object *make(uint64_t *state)
{
    size_t size = sizeof(struct object) + some_size(state);
    struct object *object = NULL;
    switch (next_random(state) % 8) {
    case 0:
        object = calloc(1, size);
        CHECK(object != NULL);
        for (size_t at = 0; at < size; at++)
            CHECK(((char *)object)[at] == 0);
        break;
    case 1: {
        size_t align = (size_t)16 << next_random(state) % 9;
        CHECK(posix_memalign((void **)&object, align, size) == 0);
        CHECK((uintptr_t)object % align == 0);
        break;
    }
    default:
        object = malloc(size);
        CHECK(object != NULL);
    }
    CHECK((uintptr_t)object % 16 == 0);
    object->size = size;
    object->seed = (unsigned)next_random(state);
    fill(object + 1, size - sizeof *object, object->seed);
    return object;
}

static void *hand_on(void *number)
{
    uint64_t state = ((uintptr_t)number + 1) * 0x9e3779b97f4a7c15u;
    for (int round = 0; round < ROUNDS; round++) {
        struct object *object = make(&state);
        /* Neighbouring threads share slots, and all share some. */
        size_t reach = round % 4 == 0 ? SLOTS : 256;
        size_t at = ((uintptr_t)number * 128 + next_random(&state) % reach) % SLOTS;
        check_and_free(atomic_exchange(&slots[at], object));
    }
    return NULL;
}

int main(void)
{
    check_served();
    pthread_t threads[THREADS];
    for (uintptr_t at = 0; at < THREADS; at++)
        CHECK(pthread_create(&threads[at], NULL, hand_on, (void *)at) == 0);
    for (int at = 0; at < THREADS; at++)
        CHECK(pthread_join(threads[at], NULL) == 0);
    for (int at = 0; at < SLOTS; at++)
        check_and_free(atomic_load(&slots[at]));
    return 0;
}
