/* What a handler throws reaches the caller of a throwing form, whatever it
   is, with everything between cleaned up; a nothrow form returns NULL. */
#include "cxx/forms.h"
#include <string>

struct Own {
    std::string text;
};

static int unwound;

struct Unwinds {
    ~Unwinds() { unwound++; }
};

static void throws_own()
{
    Unwinds here;
    throw Own{std::string(100, 'o')};
}

static void throws_int()
{
    Unwinds here;
    throw 4711;
}

static void throws_bad_alloc()
{
    Unwinds here;
    throw std::bad_alloc();
}

static int call(const NewForm &form)
{
    try {
        Unwinds here;
        /* Values that the compiler may hold in registers which the frame
           between has to give back. */
        volatile long seed = 3;
        long a = seed, b = a * 5, c = b * 7, d = c * 11, e = d * 13;
        try {
            CHECK(form.get(too_much()) == NULL, "(%s)", form.name);
        } catch (...) {
            CHECK(a == 3 && b == 15 && c == 105 && d == 1155 && e == 15015);
            throw;
        }
    } catch (const Own &own) {
        CHECK(own.text == std::string(100, 'o'));
        return 1;
    } catch (int number) {
        CHECK(number == 4711);
        return 2;
    } catch (const std::bad_alloc &) {
        return 3;
    }
    return 0;
}

int main()
{
    static const std::new_handler HANDLERS[] = {throws_own, throws_int, throws_bad_alloc};
    for (int round = 0; round < 100; round++)
        for (const NewForm &form : NEW_FORMS)
            for (int at = 0; at < 3; at++) {
                unwound = 0;
                std::set_new_handler(HANDLERS[at]);
                int caught = call(form);
                CHECK(caught == (form.throws ? at + 1 : 0), "(%s: %d)", form.name, caught);
                CHECK(unwound == 2, "(%s: %d of 2)", form.name, unwound);
                form.give_back(form.get(100), 100);
            }
    return 0;
}
