/* A throwing form without memory throws std::bad_alloc, which unwinds like
   any exception; a nothrow form returns NULL. Afterwards all goes on. */
#include "cxx/forms.h"
#include <string>
#include <thread>
#include <vector>

static thread_local int unwound;

struct Unwinds {
    ~Unwinds() { unwound++; }
};

static void *deep(const NewForm &form, size_t n, int depth)
{
    Unwinds here;
    void *p = depth == 0 ? form.get(n) : deep(form, n, depth - 1);
    CHECK(!form.throws, "(%s returned)", form.name);
    return p;
}

static void fail_often()
{
    for (int round = 0; round < 50; round++)
        for (const NewForm &form : NEW_FORMS)
            for (size_t n : {too_much(), any(SIZE_MAX), any(SIZE_MAX - 4096), any(size_t(PTRDIFF_MAX))}) {
                unwound = 0;
                bool caught = false;
                try {
                    CHECK(deep(form, n, 9) == NULL, "(%s, %zu)", form.name, n);
                } catch (const std::bad_alloc &) {
                    caught = true;
                }
                CHECK(caught == form.throws, "(%s, %zu)", form.name, n);
                CHECK(unwound == 10, "(%s: %d of 10)", form.name, unwound);
                form.give_back(form.get(100), 100);
            }
}

/* No memory has such an alignment. */
static void odd_alignment()
{
    for (size_t align : {any(0), any(3), any(24), any(SIZE_MAX)}) {
        bool caught = false;
        try {
            opaque(::operator new(10, std::align_val_t(align)));
        } catch (const std::bad_alloc &) {
            caught = true;
        }
        CHECK(caught, "(%zu)", align);
        caught = false;
        try {
            opaque(::operator new[](10, std::align_val_t(align)));
        } catch (const std::bad_alloc &) {
            caught = true;
        }
        CHECK(caught, "([], %zu)", align);
        CHECK(::operator new(10, std::align_val_t(align), nothrow) == NULL, "(%zu)", align);
        CHECK(::operator new[](10, std::align_val_t(align), nothrow) == NULL, "([], %zu)", align);
    }
    for (size_t align : {any(1), any(2), any(4), any(8)})
        ::operator delete(::operator new(10, std::align_val_t(align)), std::align_val_t(align));
}

int main()
{
    fail_often();
    odd_alignment();
    std::vector<std::thread> threads;
    for (int at = 0; at < 4; at++)
        threads.emplace_back(fail_often);
    for (std::thread &thread : threads)
        thread.join();
    std::vector<std::string> words;
    try {
        words.reserve(any(words.max_size()));
        CHECK(!"reserved");
    } catch (const std::bad_alloc &) {
    }
    words.emplace_back(1000, 'x');
    CHECK(words[0].size() == 1000);
    return 0;
}
