/* A live set of which a part is replaced in each of thousands of rounds: after
   half of them the heap asks the system for next to nothing. Counted in bytes that
   mallinfo2 says are the heap's, which are the same in every run.
   Arguments: the largest size, live KiB, and with a third one aligned requests too. */
#include "check.h"

enum { ROUNDS = 4000, SETTLED = 2000, TURNS = 500, LOOK = 50, MOST = 1 << 17 };

struct object {
    size_t size;
    unsigned char *bytes;
};

static struct object objects[MOST];
static uint64_t state = 7;
static int aligned;

static size_t below(size_t limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 20) % limit;
}

/* Of each doubling as many, up to the limit. */
static size_t some_size(size_t limit)
{
    size_t size = limit;
    while (size > 32 && below(3) != 0)
        size /= 2;
    return 1 + below(size);
}

static void *make(size_t size)
{
    switch (below(8)) {
    case 0:
        return calloc(1, size);
    case 1:
        if (!aligned)
            return malloc(size);
        return memalign((size_t)32 << below(6), size);
    default:
        return malloc(size);
    }
}

static size_t system_bytes(void)
{
    struct mallinfo2 now = mallinfo2();
    return now.arena + now.hblkhd;
}

int main(int argc, char **argv)
{
    CHECK(argc >= 3);
    size_t limit = strtoul(argv[1], NULL, 10), most = strtoul(argv[2], NULL, 10) << 10;
    aligned = argc > 3;
    size_t live = 0, settled = 0, later = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int turn = 0; turn < TURNS; turn++) {
            struct object *object = &objects[below(MOST)];
            size_t size = some_size(limit), had = object->size;
            if (live + size > most + had)
                size = 0;
            if (had != 0)
                CHECK(object->bytes[had - 1] == (unsigned char)had, "round %d", round);
            if (had != 0 && size != 0 && below(4) == 0) {
                object->bytes = realloc(object->bytes, size);
            } else {
                free(object->bytes);
                object->bytes = size == 0 ? NULL : make(size);
            }
            CHECK(size == 0 || object->bytes != NULL, "round %d", round);
            if (size != 0)
                object->bytes[size - 1] = (unsigned char)size;
            object->size = size;
            live += size - had;
        }
        /* To count means to walk through all bins. */
        if (round % LOOK != 0)
            continue;
        size_t now = system_bytes();
        size_t *peak = round < SETTLED ? &settled : &later;
        *peak = now > *peak ? now : *peak;
    }
    CHECK(live > most / 2, "only %zu of %zu bytes are live", live, most);
    CHECK(later <= settled + settled / 4, "%zu bytes after %d rounds, %zu after %d", settled, SETTLED, later, ROUNDS);
    return 0;
}
