#!/bin/sh
# Records for jq, one a line: a large file and a short one.
set -eu
for count in 800 25000; do
    awk -v count="$count" 'BEGIN {
        srand(107)
        for (i = 0; i < count; i++)
            printf "{\"id\":%d,\"name\":\"person %d\",\"team\":\"team %d\",\"active\":%s,\"score\":%d,\"tags\":[\"tag%d\",\"tag%d\"],\"address\":{\"street\":\"street %d\",\"zip\":\"%05d\"}}\n",
                i, rand() * 1e6, rand() * 50, rand() < 0.7 ? "true" : "false", rand() * 1e4, rand() * 30, rand() * 300, rand() * 999, rand() * 1e5
    }' > "$BENCH_DIR/jq-$count.json"
done
