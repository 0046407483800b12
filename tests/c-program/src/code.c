/* The C half of the program. */
#include <stdlib.h>
#include <string.h>

char *code_greeting(size_t length)
{
    char *text = malloc(length + 1);
    if (text != NULL) {
        memset(text, 'c', length);
        text[length] = 0;
    }
    return text;
}

void code_free(void *object)
{
    free(object);
}

void *code_aligned(size_t alignment, size_t size)
{
    void *object;
    return posix_memalign(&object, alignment, size) == 0 ? object : NULL;
}
