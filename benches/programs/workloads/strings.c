/* A dictionary: a hash table of chained strings that come, are replaced and go. */
#include "bench.h"

struct entry {
    struct entry *next;
    char *key, *value;
};

enum { BUCKETS = 1 << 17 };
static struct entry *table[BUCKETS];
static uint64_t sum;

/* "NUMBER-AAA...", from a buffer, as a parser would have it. */
static char *text(uint64_t number, size_t pad)
{
    static const char DIGITS[] = "0123456789abcdef";
    char buffer[160];
    size_t length = 0;
    do
        buffer[length++] = DIGITS[number & 15];
    while (number >>= 4);
    buffer[length++] = '-';
    memset(buffer + length, 'a', pad);
    length += pad;
    buffer[length] = '\0';
    return memcpy(must(malloc(length + 1)), buffer, length + 1);
}

static void drop(struct entry *gone)
{
    mix(&sum, strlen(gone->value));
    free(gone->key);
    free(gone->value);
    free(gone);
}

int main(int argc, char **argv)
{
    size_t steps = argument(argc, argv, 1, 700000);
    uint64_t state = 77;
    for (size_t i = 0; i < steps; i++) {
        uint64_t key = below(&state, 2 * BUCKETS);
        struct entry **at = &table[key % BUCKETS];
        char *name = text(key, 12);
        while (*at && strcmp((*at)->key, name))
            at = &(*at)->next;
        if (*at == NULL) {
            *at = must(calloc(1, sizeof **at));
            (*at)->key = name;
            (*at)->value = text(i, below(&state, 90));
            continue;
        }
        free(name);
        if (next_random(&state) >> 62) {
            free((*at)->value);
            (*at)->value = text(i, below(&state, 90));
        } else {
            struct entry *gone = *at;
            *at = gone->next;
            drop(gone);
        }
    }
    for (size_t b = 0; b < BUCKETS; b++)
        while (table[b]) {
            struct entry *gone = table[b];
            table[b] = gone->next;
            drop(gone);
        }
    return result(sum);
}
