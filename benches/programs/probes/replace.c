/* A live set of OBJECTS, of which random ones are replaced COUNT times, of 1 to MOST
 * bytes. Two operations a turn, and one for each object at the start and the end. */
#include "bench.h"

int main(int argc, char **argv)
{
    size_t most = argument(argc, argv, 1, 128);
    size_t count = argument(argc, argv, 2, 1000000);
    size_t objects = argument(argc, argv, 3, 10000);
    void **live = must(calloc(objects, sizeof *live));
    uint64_t state = 3;
    for (size_t i = 0; i < objects; i++)
        live[i] = must(malloc(1 + next_random(&state) % most));
    for (size_t i = 0; i < count; i++) {
        size_t at = next_random(&state) % objects;
        free(live[at]);
        live[at] = must(malloc(1 + next_random(&state) % most));
        *(char *)live[at] = 1;
    }
    for (size_t i = 0; i < objects; i++)
        free(live[i]);
    free(live);
    return 0;
}
