/* Doubly linked lists of nodes with payloads of 8 to 127 bytes. Each round
 * appends LENGTH nodes to each of LISTS lists in turn, reads them all, and frees
 * them: list by list from its head ("order"), or one node of any list after
 * another ("random"). "middle" instead keeps the lists, and in each round half
 * of the nodes leave from where they are and others take their places. */
#include "bench.h"

enum { LISTS = 64 };

struct node {
    struct node *next, *back;
    size_t size;
    char payload[];
};

static struct node lists[LISTS];
static uint64_t state = 7, sum;

static struct node *insert(struct node *before)
{
    size_t size = 8 + below(&state, 120);
    struct node *n = must(malloc(sizeof *n + size));
    n->size = size;
    fill(n->payload, size, size);
    n->next = before;
    n->back = before->back;
    n->back->next = n;
    before->back = n;
    return n;
}

static void drop(struct node *n)
{
    sum += look(n->payload, n->size);
    n->next->back = n->back;
    n->back->next = n->next;
    free(n);
}

static void append(size_t length, struct node **nodes)
{
    for (size_t i = 0; i < length * LISTS; i++)
        nodes[i] = insert(&lists[i % LISTS]);
}

static void read_all(void)
{
    for (int l = 0; l < LISTS; l++)
        for (struct node *n = lists[l].next; n != &lists[l]; n = n->next)
            mix(&sum, n->size);
}

static void drop_in_order(void)
{
    for (int l = 0; l < LISTS; l++)
        while (lists[l].next != &lists[l])
            drop(lists[l].next);
}

static void drop_at_random(struct node **nodes, size_t count)
{
    for (; count > 0; count--) {
        size_t at = below(&state, count);
        drop(nodes[at]);
        nodes[at] = nodes[count - 1];
    }
}

static void replace_half(void)
{
    for (int l = 0; l < LISTS; l++)
        for (struct node *n = lists[l].next; n != &lists[l]; n = n->next)
            if (next_random(&state) & 1) {
                struct node *fresh = insert(n);
                drop(n);
                n = fresh;
            }
}

int main(int argc, char **argv)
{
    char how = argc > 1 ? *argv[1] : 'm';
    size_t length = argument(argc, argv, 2, 4000);
    size_t rounds = argument(argc, argv, 3, 6);
    struct node **nodes = must(malloc(length * LISTS * sizeof *nodes));
    for (int l = 0; l < LISTS; l++)
        lists[l].next = lists[l].back = &lists[l];
    if (how == 'm')
        append(length, nodes);
    for (size_t round = 0; round < rounds; round++) {
        if (how != 'm')
            append(length, nodes);
        read_all();
        if (how == 'm')
            replace_half();
        else if (how == 'r')
            drop_at_random(nodes, length * LISTS);
        else
            drop_in_order();
    }
    drop_in_order();
    free(nodes);
    return result(sum);
}
