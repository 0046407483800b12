/* Objects of 0 bytes come and go between all other requests: of every size, of
   sizes that are no cache's, aligned, resized. Each object is its own. */
#include "check.h"

enum { ZEROS = 40 };

static void zeros(void)
{
    void *z[ZEROS];
    for (int i = 0; i < ZEROS; i++) {
        z[i] = malloc(any(0));
        CHECK(z[i] != NULL);
        for (int k = 0; k < i; k++)
            CHECK(z[k] != z[i]);
    }
    for (int i = 0; i < ZEROS; i++)
        free(z[i]);
    /* Some of what a cache holds for such requests is left. */
    for (int i = 0; i < 3; i++)
        free(malloc(any(0)));
}

static void object(unsigned char *p, size_t n)
{
    unsigned char *zero = malloc(any(0));
    CHECK(p != NULL && zero != NULL && (zero + 16 <= p || zero >= p + n));
    memset(p, 0x41, n);
    free(zero);
    for (size_t i = 0; i < n; i++)
        CHECK(p[i] == 0x41, "(byte %zu of %zu)", i, n);
}

int main(void)
{
    use_up_first_requests();
    for (size_t n = 1; n < 400000; n += n / 11 + 1) {
        zeros();
        unsigned char *p = malloc(n);
        object(p, n);
        zeros();
        unsigned char *q = memalign(64, n);
        object(q, n);
        /* Cut down to a size of which there are no requests. */
        unsigned char *r = malloc(n + 5000);
        zeros();
        r = realloc(r, n + 4000);
        object(r, n + 4000);
        free(p);
        free(q);
        free(r);
        zeros();
        unsigned char *s = calloc(1, n);
        for (size_t i = 0; i < n; i++)
            CHECK(s[i] == 0);
        free(s);
    }
    return 0;
}
