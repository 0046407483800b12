/* Correct use of each form of new and delete, under a tool that may serve some
   of them itself. */
#include "../cxx/forms.h"

int main()
{
    static const size_t sizes[] = {1, 40, 700, 50000, 400000};
    for (const NewForm &form : NEW_FORMS)
        for (size_t n : sizes) {
            void *p = form.get(n);
            CHECK(p != nullptr && (!form.aligned || uintptr_t(p) % size_t(ALIGN) == 0), "(%s)", form.name);
            memset(p, 1, n);
            form.give_back(p, n);
            form.give_back(nullptr, n);
        }
    puts("every form");
    return 0;
}
