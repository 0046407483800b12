/* A C program for gcc -O2: loops to unroll, calls to inline, a switch. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
    struct node *left, *right;
    int key;
};

static struct node *insert(struct node *node, int key)
{
    if (node == NULL) {
        node = calloc(1, sizeof *node);
        if (node == NULL)
            exit(1);
        node->key = key;
    } else if (key < node->key) {
        node->left = insert(node->left, key);
    } else {
        node->right = insert(node->right, key);
    }
    return node;
}

static long depth_sum(const struct node *node, long depth)
{
    return node == NULL ? 0 : depth + depth_sum(node->left, depth + 1) + depth_sum(node->right, depth + 1);
}

static void release(struct node *node)
{
    if (node == NULL)
        return;
    release(node->left);
    release(node->right);
    free(node);
}

int main(void)
{
    struct node *tree = NULL;
    unsigned state = 1;
    for (int count = 0; count < 50000; count++) {
        state = state * 1664525u + 1013904223u;
        tree = insert(tree, (int)(state >> 4));
    }
    printf("%ld\n", depth_sum(tree, 0));
    release(tree);
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    for (int count = 0; count < 10000; count++)
        fprintf(stream, "%d,", count);
    fclose(stream);
    printf("%zu %zu\n", length, strlen(text));
    free(text);
    return 0;
}
