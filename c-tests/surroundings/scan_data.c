/* Reads every word of every writable segment of every loaded object, as conservative collectors and leak
   checkers do, once the heap has grown and memory was mapped. */
#define _GNU_SOURCE
#include "check.h"
#include <link.h>

static int objects;

static int scan(struct dl_phdr_info *info, size_t size, void *seen)
{
    volatile unsigned long *sum = seen;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_W))
            continue;
        unsigned long at = (info->dlpi_addr + part->p_vaddr) & ~7ul;
        unsigned long end = info->dlpi_addr + part->p_vaddr + part->p_memsz;
        for (; at + 8 <= end; at += 8)
            *sum += *(volatile unsigned long *)at;
        objects++;
    }
    return 0;
}

int main(void)
{
    volatile unsigned long sum = 0;
    check_served();
    for (int i = 0; i < 1000; i++)
        CHECK(malloc(1000) != NULL);
    free(malloc(200000));
    free(malloc(10 << 20));
    dl_iterate_phdr(scan, (void *)&sum);
    CHECK(objects >= 3);
    return 0;
}
