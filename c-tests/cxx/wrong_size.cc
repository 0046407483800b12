/* Usage: wrong_size FORM SIZE WRONG
   A delete with a size that the object never had, in one of the four sized
   forms; memory goes on being served and nothing is given twice. */
#include "cxx/forms.h"

static void once(const char *form, size_t size, size_t wrong)
{
    if (strcmp(form, "plain") == 0)
        ::operator delete(::operator new(size), any(wrong));
    else if (strcmp(form, "array") == 0)
        ::operator delete[](::operator new[](size), any(wrong));
    else if (strcmp(form, "aligned") == 0)
        ::operator delete(::operator new(size, ALIGN), any(wrong), ALIGN);
    else
        ::operator delete[](::operator new[](size, ALIGN), any(wrong), ALIGN);
}

int main(int, char **argv)
{
    size_t size = strtoul(argv[2], NULL, 0), wrong = strtoul(argv[3], NULL, 0);
    for (int round = 0; round < 100; round++) {
        errno = 4711;
        once(argv[1], size, wrong);
        CHECK(errno == 4711);
        unsigned char *p = (unsigned char *)malloc(size), *q = (unsigned char *)malloc(size);
        memset(p, 1, size);
        memset(q, 2, size);
        for (size_t at = 0; at < size; at++)
            CHECK(p[at] == 1 && q[at] == 2, "(byte %zu)", at);
        free(p);
        free(q);
    }
    return 0;
}
