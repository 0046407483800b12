/* Usage: perturbed SIZE WHAT
   Under M_PERTURB nothing is cached: a freed chunk lies in a bin at once. Its
   header is overwritten as WHAT says (zero, text, size, tag), and then as many
   of its size are asked for as it would serve. */
#include "check.h"

int main(int argc, char **argv)
{
    size_t size = strtoul(argv[1], NULL, 0);
    CHECK(argc == 3 && mallopt(M_PERTURB, 0x55) == 1);
    use_up_first_requests();
    unsigned char *held[64];
    for (int i = 0; i < 64; i++)
        held[i] = malloc(size);
    for (int i = 30; i < 31; i++) {
        unsigned char *header = (unsigned char *)opaque(held[i]) - 8;
        free(held[i]);
        if (strcmp(argv[2], "zero") == 0)
            memset(header, 0, 8);
        else if (strcmp(argv[2], "text") == 0)
            memset(header, 'A', 8);
        else if (strcmp(argv[2], "size") == 0)
            memset(header, 0, 4);
        else
            header[7] ^= 0x10;
    }
    for (int i = 0; i < 64; i++)
        CHECK(malloc(size) != NULL);
    return 0;
}
