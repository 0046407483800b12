/* Linked lists whose nodes carry payloads of several sizes; nodes leave from
 * the middle while others come. */
#include "bench.h"

enum { LISTS = 64 };

struct node {
    struct node *next;
    size_t size;
    char payload[];
};

static struct node *make(uint64_t *state)
{
    size_t size = 8 + next_random(state) % 120;
    struct node *n = must(malloc(sizeof *n + size));
    n->size = size;
    memset(n->payload, 1, size);
    return n;
}

int main(int argc, char **argv)
{
    static struct node *heads[LISTS];
    size_t length = argument(argc, argv, 1, 4000);
    size_t rounds = argument(argc, argv, 2, 6);
    uint64_t state = 7;
    size_t sum = 0;
    for (size_t i = 0; i < length * LISTS; i++) {
        struct node *n = make(&state);
        struct node **head = &heads[i % LISTS];
        n->next = *head;
        *head = n;
    }
    for (size_t round = 0; round < rounds; round++)
        for (int l = 0; l < LISTS; l++)
            for (struct node **at = &heads[l]; *at; at = &(*at)->next) {
                sum += (*at)->size;
                if (next_random(&state) & 1)
                    continue;
                struct node *gone = *at;
                struct node *fresh = make(&state);
                fresh->next = gone->next;
                *at = fresh;
                free(gone);
            }
    for (int l = 0; l < LISTS; l++)
        while (heads[l]) {
            struct node *gone = heads[l];
            heads[l] = gone->next;
            free(gone);
        }
    return sum == 0;
}
