/* A process that hardly allocates: forty small objects, freed. */
#include <stdlib.h>
#include <string.h>

int main(void)
{
    enum { OBJECTS = 40 };
    char *volatile objects[OBJECTS];
    for (int i = 0; i < OBJECTS; i++) {
        size_t size = 16 + (size_t)(i * 7) % 200;
        objects[i] = malloc(size);
        if (objects[i] == NULL)
            return 1;
        memset(objects[i], i, size);
    }
    for (int i = 0; i < OBJECTS; i++)
        free(objects[i]);
    return 0;
}
