// Usage: delete twice|array_twice|sized_twice|interior|global
// What C++ programs do wrong with their operators.
#include "check.h"
#include <new>

struct Small {
    char text[40];
};
struct Large {
    char text[4000];
};

static Large global;

int main(int argc, char **argv)
{
    use_up_first_requests();
    if (strcmp(argv[1], "twice") == 0) {
        Small *p = new Small;
        Small *stale = static_cast<Small *>(opaque(p));
        delete p;
        delete stale;
    } else if (strcmp(argv[1], "array_twice") == 0) {
        char *p = new char[5000];
        char *stale = static_cast<char *>(opaque(p));
        delete[] p;
        delete[] stale;
    } else if (strcmp(argv[1], "sized_twice") == 0) {
        // A delete through a type that is not the object's, twice.
        void *p = opaque(new Large);
        delete static_cast<Small *>(p);
        delete static_cast<Small *>(opaque(p));
    } else if (strcmp(argv[1], "interior") == 0) {
        Large *p = new Large;
        ::operator delete(opaque(p->text + 1024));
    } else if (strcmp(argv[1], "global") == 0) {
        ::operator delete(opaque(&global.text[32]));
    }
    return 0;
}
