#!/bin/sh
# C files for cppcheck: many functions with branches, loops and calls; a large file and a short one.
set -eu
for count in 4 60; do
    awk -v count="$count" 'BEGIN {
        print "#include <stdlib.h>\n#include <string.h>"
        for (i = 0; i < count; i++) {
            printf "struct part%d { int kind; char *name; struct part%d *next; };\n", i, i
            printf "static int weigh%d(const struct part%d *p, int limit)\n{\n    int sum = %d;\n", i, i, i
            printf "    for (; p; p = p->next) {\n        switch (p->kind) {\n"
            for (k = 0; k < 6; k++)
                printf "        case %d:\n            if (p->name && sum < limit)\n                sum += p->name[%d] * %d;\n            break;\n", k, k, k + i
            printf "        default:\n            return -1;\n        }\n    }\n    return sum;\n}\n"
            printf "struct part%d *make%d(const char *name, int kind)\n{\n", i, i
            printf "    struct part%d *p = malloc(sizeof *p);\n    if (!p)\n        return 0;\n", i
            printf "    p->name = malloc(strlen(name) + 1);\n    if (p->name)\n        strcpy(p->name, name);\n"
            printf "    p->kind = kind;\n    p->next = 0;\n    if (weigh%d(p, 100) > %d)\n        p->kind++;\n    return p;\n}\n", i, i * 3
        }
    }' > "$BENCH_DIR/cppcheck-$count.c"
done
