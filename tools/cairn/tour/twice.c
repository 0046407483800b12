/* A pointer that is freed twice. */
#include "tour.h"

int main(void)
{
    char *object = malloc(100);
    if (object == NULL)
        return 1;
    place("object", object);
    /* The compiler would see it otherwise. */
    char *volatile again = object;
    free(object);
    stop("freed once");
    free(again);
    stop("not reached");
    return 0;
}
