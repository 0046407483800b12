/* Without memory every form of new calls the installed handler, again and
   again: here until the second call has made room, until the handler removes
   itself, and until it has put another one in its place. */
#include "cxx/forms.h"
#include <initializer_list>
#include <sys/mman.h>
#include <sys/resource.h>

static const size_t LARGE = size_t(1) << 30;
static void *ballast;
static int calls;

static void take_ballast()
{
    ballast = mmap(NULL, LARGE + LARGE / 2, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(ballast != MAP_FAILED);
}

/* The address space from now on: what is in use and a little. */
static void limit_address_space()
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    CHECK(statm != NULL && fscanf(statm, "%lu", &pages) == 1);
    fclose(statm);
    rlim_t bytes = pages * (rlim_t)sysconf(_SC_PAGESIZE) + LARGE / 2;
    struct rlimit limit = {bytes, bytes};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
}

static void room_on_second()
{
    if (++calls == 2)
        munmap(ballast, LARGE + LARGE / 2);
}

static void until_third()
{
    if (++calls == 3)
        std::set_new_handler(NULL);
}

static void another_in_its_place()
{
    calls = 100;
    std::set_new_handler(until_third);
    calls = 1;
}

int main()
{
    take_ballast();
    limit_address_space();
    for (const NewForm &form : NEW_FORMS) {
        calls = 0;
        std::set_new_handler(room_on_second);
        void *p = form.get(LARGE);
        CHECK(p != NULL, "(%s)", form.name);
        CHECK(calls == 2, "(%s: %d)", form.name, calls);
        memset(p, 1, 4096);
        form.give_back(p, LARGE);
        malloc_trim(0);
        take_ballast();

        for (std::new_handler handler : {until_third, another_in_its_place}) {
            calls = 0;
            std::set_new_handler(handler);
            bool caught = false;
            try {
                CHECK(form.get(too_much()) == NULL, "(%s)", form.name);
            } catch (const std::bad_alloc &) {
                caught = true;
            }
            CHECK(caught == form.throws, "(%s)", form.name);
            CHECK(calls == 3, "(%s: %d)", form.name, calls);
            CHECK(std::get_new_handler() == NULL);
        }
    }
    return 0;
}
