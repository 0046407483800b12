/* Binary trees of 24-byte nodes: one that stays, and many that are built,
 * walked and taken down. */
#include "bench.h"

struct node {
    struct node *left, *right;
    size_t value;
};

static struct node *build(unsigned depth)
{
    struct node *n = must(malloc(sizeof *n));
    n->value = depth;
    n->left = depth ? build(depth - 1) : NULL;
    n->right = depth ? build(depth - 1) : NULL;
    return n;
}

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
    free(n);
}

int main(int argc, char **argv)
{
    unsigned depth = (unsigned)argument(argc, argv, 1, 20);
    struct node *stays = build(depth);
    size_t nodes = 0;
    for (unsigned d = 4; d <= depth; d += 4)
        for (size_t i = 0; i < (size_t)1 << (depth - d); i++) {
            struct node *tree = build(d);
            nodes += count(tree);
            fell(tree);
        }
    nodes += count(stays);
    fell(stays);
    return nodes == 0;
}
