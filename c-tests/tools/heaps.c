/* Heaps of the program's own, for tools to look at: "documents" has small objects and three mapped ones
   and a limit, "scratch" one object, "ended" is gone. Says that they are there, then lives until its
   input ends; "info" and "stats" are answered by malloc_info and malloc_stats. */
#include "check.h"
#include <dlfcn.h>

typedef void *make(const char *, size_t);
typedef void *take(void *, size_t);
typedef void end(void *);

int main(void)
{
    make *new = (make *)dlsym(RTLD_DEFAULT, "cairn_heap_new");
    take *alloc = (take *)dlsym(RTLD_DEFAULT, "cairn_heap_alloc");
    end *destroy = (end *)dlsym(RTLD_DEFAULT, "cairn_heap_destroy");
    CHECK(new && alloc && destroy, "");
    /* What is known of it serves the next one. */
    void *before = new ("before", 0);
    for (int i = 0; i < 1000; i++)
        CHECK(alloc(before, 30000) != NULL, "");
    destroy(before);
    void *documents = new ("documents", 64 << 20), *scratch = new ("scratch", 0);
    void *ended = new ("ended", 0);
    memset(alloc(ended, 1000), 1, 1000);
    for (int i = 0; i < 5000; i++)
        memset(alloc(documents, 200), 1, 200);
    for (int i = 0; i < 3; i++)
        memset(alloc(documents, 1 << 20), 1, 1 << 20);
    memset(alloc(scratch, 5000), 1, 5000);
    destroy(ended);
    puts("ready");
    fflush(stdout);
    char line[80];
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (strcmp(line, "info\n") == 0)
            malloc_info(0, stdout);
        else if (strcmp(line, "stats\n") == 0)
            malloc_stats();
        puts(".");
        fflush(stdout);
    }
    return 0;
}
