/* A program that replaces operator new(size_t), operator delete(void *) and
   their aligned twins, and nothing else, gets every other form through them:
   so the standard defines the others. Memory from these must not be taken
   back by anybody else, as no pointer of theirs is one that malloc gave. */
#include "cxx/forms.h"

static long live;
static bool refuse;
static const size_t HEADER = 256;

void *operator new(size_t n)
{
    if (refuse || n > size_t(PTRDIFF_MAX) - HEADER)
        throw std::bad_alloc();
    live++;
    return (char *)malloc(n + HEADER) + HEADER;
}

void operator delete(void *p) noexcept
{
    if (p == NULL)
        return;
    live--;
    free((char *)p - HEADER);
}

void *operator new(size_t n, std::align_val_t align)
{
    if (refuse || n > size_t(PTRDIFF_MAX) - HEADER)
        throw std::bad_alloc();
    live++;
    CHECK((size_t)align <= HEADER);
    return (char *)aligned_alloc(HEADER, (n + 2 * HEADER) & ~(HEADER - 1)) + HEADER;
}

void operator delete(void *p, std::align_val_t) noexcept
{
    ::operator delete(p);
}

int main()
{
    for (int round = 0; round < 3; round++)
        for (const NewForm &form : NEW_FORMS) {
            long before = live;
            void *p = form.get(100);
            CHECK(live == before + 1, "(%s)", form.name);
            memset(p, 1, 100);
            form.give_back(p, 100);
            CHECK(live == before, "(%s)", form.name);

            refuse = true;
            bool caught = false;
            try {
                CHECK(form.get(100) == NULL, "(%s)", form.name);
            } catch (const std::bad_alloc &) {
                caught = true;
            }
            CHECK(caught == form.throws, "(%s)", form.name);
            refuse = false;
        }
    return 0;
}
