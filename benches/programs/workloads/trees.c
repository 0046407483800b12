/* Binary trees whose nodes have SIZE bytes: two links, and a payload if there
 * is room. FOREST trees of 200 to 4000 nodes live; each of STEPS takes one down,
 * leaves first, and grows another, whose shape and size are random. */
#include "bench.h"

enum { FOREST = 200 };

struct node {
    struct node *left, *right;
    unsigned char payload[];
};

static size_t payload;
static uint64_t state = 17, sum;

static struct node *grow(size_t nodes)
{
    if (nodes == 0)
        return NULL;
    struct node *n = must(malloc(sizeof *n + payload));
    if (payload)
        fill(n->payload, payload, nodes);
    size_t left = below(&state, nodes);
    n->left = grow(left);
    n->right = grow(nodes - 1 - left);
    return n;
}

/* Nodes of the tree; half of the trees are asked for it. */
static size_t count(const struct node *n)
{
    return n ? 1 + count(n->left) + count(n->right) : 0;
}

static void fell(struct node *n)
{
    if (n == NULL)
        return;
    fell(n->left);
    fell(n->right);
    if (payload)
        sum += look(n->payload, payload);
    free(n);
}

int main(int argc, char **argv)
{
    static struct node *forest[FOREST];
    size_t steps = argument(argc, argv, 1, 1500);
    payload = argument(argc, argv, 2, 24) - sizeof(struct node);
    for (size_t i = 0; i < steps; i++) {
        struct node **tree = &forest[below(&state, FOREST)];
        if (i & 1)
            mix(&sum, count(*tree));
        fell(*tree);
        *tree = grow(200 + below(&state, 3800));
    }
    for (int i = 0; i < FOREST; i++) {
        mix(&sum, count(forest[i]));
        fell(forest[i]);
    }
    return result(sum);
}
