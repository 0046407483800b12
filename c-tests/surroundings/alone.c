/* A single-threaded program that allocates a little of everything. */
#define _GNU_SOURCE
#include "check.h"

int main(void)
{
    churn(1, 5000);
    return 0;
}
