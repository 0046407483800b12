/* What a C program loads: it brings the C++ runtime along. Returns 0, or the
   number of the promise that broke. */
#include "cxx/forms.h"
#include <vector>

static int calls;

static void until_second()
{
    if (++calls == 2)
        throw 4711;
}

extern "C" int use_plugin()
{
    for (int round = 0; round < 3; round++)
        for (const NewForm &form : NEW_FORMS) {
            bool caught = false;
            try {
                if (form.get(too_much()) != NULL)
                    return 1;
            } catch (const std::bad_alloc &) {
                caught = true;
            }
            if (caught != form.throws)
                return 2;

            calls = 0;
            caught = false;
            std::set_new_handler(until_second);
            try {
                if (form.get(too_much()) != NULL)
                    return 3;
            } catch (int number) {
                caught = number == 4711;
            }
            std::set_new_handler(NULL);
            if (caught != form.throws || calls != 2)
                return 4;
            form.give_back(form.get(100), 100);
        }
    std::vector<std::vector<int>> rows(100, std::vector<int>(100, 7));
    return rows[99][99] == 7 ? 0 : 5;
}
