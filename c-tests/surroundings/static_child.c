/* A static program: the loader that would preload a library never runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    char *word = malloc(7);
    if (word == NULL || getenv("LD_PRELOAD") == NULL)
        return 1;
    memcpy(word, "static", 7);
    puts(word);
    free(word);
    return 0;
}
