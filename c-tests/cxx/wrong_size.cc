/* A sized delete with a size that the object never had. */
#include "cxx/forms.h"

int main(int count, char **)
{
    void *p = count > 1 ? ::operator new(100, ALIGN) : ::operator new(100);
    if (count > 1)
        ::operator delete(p, any(1000), ALIGN);
    else
        ::operator delete(p, any(1000));
    return 0;
}
