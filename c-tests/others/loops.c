/* What other suites do with library code that owns memory for the program:
   backtrace, obstacks, open_memstream, qsort of what does not fit on a stack,
   and calls whose result the program frees. */
#include "check.h"
#include <dirent.h>
#include <execinfo.h>
#include <glob.h>
#include <obstack.h>
#include <regex.h>
#define obstack_chunk_alloc malloc
#define obstack_chunk_free free

static int by_value(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* Results that libc allocates and the program frees. */
static void results(void)
{
    char *here = realpath(".", NULL), *copy = strdup("some text");
    CHECK(here != NULL && here[0] == '/' && strcmp(copy, "some text") == 0);
    char *printed = NULL;
    CHECK(asprintf(&printed, "%s:%s:%0500d", here, copy, 7) > 500);
    free(here);
    free(copy);
    free(printed);

    FILE *stream = tmpfile();
    CHECK(stream != NULL);
    for (int i = 0; i < 300; i++)
        fprintf(stream, "%0*d\n", i + 1, 0);
    rewind(stream);
    char *line = NULL;
    size_t room = 0;
    for (int i = 0; i < 300; i++)
        CHECK(getline(&line, &room, stream) == i + 2, "(%d)", i);
    free(line);
    fclose(stream);

    struct dirent **names;
    int count = scandir("/", &names, NULL, alphasort);
    CHECK(count > 0);
    while (count > 0)
        free(names[--count]);
    free(names);

    glob_t found;
    CHECK(glob("/*", 0, NULL, &found) == 0 && found.gl_pathc > 0);
    globfree(&found);
    regex_t pattern;
    CHECK(regcomp(&pattern, "(a|b)*c{1,40}[x-z]", REG_EXTENDED) == 0);
    CHECK(regexec(&pattern, "ababccy", 0, NULL, 0) == 0);
    regfree(&pattern);
}

int main(void)
{
    results();
    void *frames[16];
    int count = backtrace(frames, 16);
    CHECK(count > 0);
    char **names = backtrace_symbols(frames, count);
    CHECK(names != NULL && names[0][0] != 0);
    free(names);

    struct obstack pile;
    obstack_init(&pile);
    for (int i = 1; i < 5000; i++) {
        unsigned char *p = obstack_alloc(&pile, i);
        memset(p, i & 255, i);
        CHECK(p[0] == (i & 255) && p[i - 1] == (i & 255), "(%d)", i);
    }
    obstack_free(&pile, NULL);

    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    CHECK(stream != NULL);
    for (int i = 0; i < 100000; i++)
        fputc('a' + i % 26, stream);
    CHECK(fclose(stream) == 0 && length == 100000);
    for (int i = 0; i < 100000; i++)
        CHECK(text[i] == 'a' + i % 26, "(%d)", i);
    free(text);

    int *numbers = malloc(3000000 * sizeof *numbers);
    CHECK(numbers != NULL);
    for (int i = 0; i < 3000000; i++)
        numbers[i] = (int)((unsigned)i * 2654435761u >> 1);
    qsort(numbers, 3000000, sizeof *numbers, by_value);
    for (int i = 1; i < 3000000; i++)
        CHECK(numbers[i - 1] <= numbers[i], "(%d)", i);
    free(numbers);
    return 0;
}
