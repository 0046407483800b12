/* Every form of new gives memory that is aligned, disjoint and writable, and
   that every form of delete that goes with it takes back, NULL included. */
#include "cxx/forms.h"

int main()
{
    enum { COUNT = 8 };
    for (int round = 0; round < 3; round++)
        for (const NewForm &form : NEW_FORMS)
            for (size_t n = 0; n < 300000; n += n / 3 + 1) {
                unsigned char *held[COUNT];
                for (int at = 0; at < COUNT; at++) {
                    held[at] = (unsigned char *)form.get(n);
                    CHECK(held[at] != NULL, "(%s, %zu)", form.name, n);
                    CHECK((uintptr_t)held[at] % (form.aligned ? 256 : 16) == 0, "(%s, %zu)", form.name, n);
                    CHECK(malloc_usable_size(held[at]) >= n, "(%s, %zu)", form.name, n);
                    memset(held[at], at + 1, n);
                }
                for (int at = 0; at < COUNT; at++) {
                    for (size_t byte = 0; byte < n; byte++)
                        CHECK(held[at][byte] == at + 1, "(%s, %zu)", form.name, n);
                    form.give_back(held[at], n);
                }
            }
    for (const NewForm &form : NEW_FORMS)
        form.give_back(opaque(NULL), 100);

    int *one = new int(7);
    int *many = new int[1000]();
    CHECK(*one == 7 && many[999] == 0);
    delete one;
    delete[] many;
    free(::operator new(10));
    ::operator delete(malloc(10));
    return 0;
}
