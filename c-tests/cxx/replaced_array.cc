/* Only new[] and delete[] are replaced: the forms for arrays follow them, and
   those for single objects stay as they were. */
#include "cxx/forms.h"

static int arrays;
static const size_t HEADER = 32;

void *operator new[](size_t n)
{
    arrays++;
    return (char *)malloc(n + HEADER) + HEADER;
}

void operator delete[](void *p) noexcept
{
    arrays--;
    free((char *)p - HEADER);
}

int main()
{
    for (const NewForm &form : NEW_FORMS) {
        bool expected = !form.aligned && strstr(form.name, "[]") != NULL;
        void *p = form.get(100);
        CHECK(arrays == expected, "(%s)", form.name);
        form.give_back(p, 100);
        CHECK(arrays == 0, "(%s)", form.name);
    }
    return 0;
}
