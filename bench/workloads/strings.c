/* A dictionary: an open hash table of strings that come, are replaced and go. */
#include "bench.h"

struct entry {
    struct entry *next;
    char *key, *value;
};

enum { BUCKETS = 1 << 17 };
static struct entry *table[BUCKETS];

static char *text(uint64_t number, size_t pad)
{
    char digits[160];
    int length = snprintf(digits, sizeof digits, "%llx-%0*d", (unsigned long long)number, (int)pad, 0);
    return memcpy(must(malloc((size_t)length + 1)), digits, (size_t)length + 1);
}

int main(int argc, char **argv)
{
    size_t steps = argument(argc, argv, 1, 700000);
    uint64_t state = 77;
    for (size_t i = 0; i < steps; i++) {
        uint64_t key = next_random(&state) % (2 * BUCKETS);
        struct entry **at = &table[key % BUCKETS];
        char *name = text(key, 12);
        while (*at && strcmp((*at)->key, name))
            at = &(*at)->next;
        if (*at == NULL) {
            *at = must(calloc(1, sizeof **at));
            (*at)->key = name;
            (*at)->value = text(i, next_random(&state) % 90);
        } else if (next_random(&state) & 3) {
            free(name);
            free((*at)->value);
            (*at)->value = text(i, next_random(&state) % 90);
        } else {
            struct entry *gone = *at;
            *at = gone->next;
            free(name);
            free(gone->key);
            free(gone->value);
            free(gone);
        }
    }
    return 0;
}
