/* The 8 forms of new and the forms of delete that go with them, as tables:
   a test that has something to say about all of them says it in a loop. */
#ifndef CAIRN_FORMS_H
#define CAIRN_FORMS_H

#include "check.h"
#include <new>

static const std::align_val_t ALIGN{256};
using std::nothrow;

struct NewForm {
    const char *name;
    bool throws;
    bool aligned;
    void *(*get)(size_t);
    void (*give_back)(void *, size_t);
};

static const NewForm NEW_FORMS[] = {
    {"new", true, false, [](size_t n) { return ::operator new(n); },
     [](void *p, size_t) { ::operator delete(p); }},
    {"new, sized delete", true, false, [](size_t n) { return ::operator new(n); },
     [](void *p, size_t n) { ::operator delete(p, n); }},
    {"new[]", true, false, [](size_t n) { return ::operator new[](n); },
     [](void *p, size_t) { ::operator delete[](p); }},
    {"new[], sized delete", true, false, [](size_t n) { return ::operator new[](n); },
     [](void *p, size_t n) { ::operator delete[](p, n); }},
    {"nothrow new", false, false, [](size_t n) { return ::operator new(n, nothrow); },
     [](void *p, size_t) { ::operator delete(p, nothrow); }},
    {"nothrow new[]", false, false, [](size_t n) { return ::operator new[](n, nothrow); },
     [](void *p, size_t) { ::operator delete[](p, nothrow); }},
    {"aligned new", true, true, [](size_t n) { return ::operator new(n, ALIGN); },
     [](void *p, size_t) { ::operator delete(p, ALIGN); }},
    {"aligned new, sized delete", true, true, [](size_t n) { return ::operator new(n, ALIGN); },
     [](void *p, size_t n) { ::operator delete(p, n, ALIGN); }},
    {"aligned new[]", true, true, [](size_t n) { return ::operator new[](n, ALIGN); },
     [](void *p, size_t) { ::operator delete[](p, ALIGN); }},
    {"aligned new[], sized delete", true, true, [](size_t n) { return ::operator new[](n, ALIGN); },
     [](void *p, size_t n) { ::operator delete[](p, n, ALIGN); }},
    {"aligned nothrow new", false, true, [](size_t n) { return ::operator new(n, ALIGN, nothrow); },
     [](void *p, size_t) { ::operator delete(p, ALIGN, nothrow); }},
    {"aligned nothrow new[]", false, true, [](size_t n) { return ::operator new[](n, ALIGN, nothrow); },
     [](void *p, size_t) { ::operator delete[](p, ALIGN, nothrow); }},
};

/* More than any object may have. */
static inline size_t too_much()
{
    return any(size_t(PTRDIFF_MAX) + 1);
}

#endif
