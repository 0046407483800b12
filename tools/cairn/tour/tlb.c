/* The same numbers added up: in a vector, and in a list whose nodes lie in
   any order. */
#include "tour.h"
#include <string.h>

enum { NUMBER = 100000, ROUNDS = 3 };

struct node {
    struct node *next;
    long value;
    char more[112];
};

int main(int count, char **arguments)
{
    struct node *all = calloc(NUMBER, sizeof *all);
    long *vector = calloc(NUMBER, sizeof *vector);
    unsigned *order = calloc(NUMBER, sizeof *order);
    if (count != 2 || all == NULL || vector == NULL || order == NULL)
        return 1;
    for (unsigned i = 0; i < NUMBER; i++)
        order[i] = i;
    unsigned seed = 1;
    for (unsigned i = NUMBER - 1; i > 0; i--) {
        seed = seed * 1103515245 + 12345;
        unsigned other = (seed >> 8) % (i + 1), held = order[i];
        order[i] = order[other];
        order[other] = held;
    }
    for (unsigned i = 0; i < NUMBER; i++) {
        vector[i] = all[i].value = i;
        all[order[i]].next = i + 1 < NUMBER ? &all[order[i + 1]] : NULL;
    }
    long sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        if (strcmp(arguments[1], "vector") == 0)
            for (unsigned i = 0; i < NUMBER; i++)
                sum += vector[i];
        else if (strcmp(arguments[1], "list") == 0)
            for (struct node *n = &all[order[0]]; n != NULL; n = n->next)
                sum += n->value;
    }
    fact("sum", (unsigned long)sum);
    return 0;
}
