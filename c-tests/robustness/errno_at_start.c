/* `errno` is 0 when main begins, whatever the allocator asked the kernel before. */
#include "check.h"

int main(void)
{
    CHECK(errno == 0, "errno is %d", errno);
    return 0;
}
