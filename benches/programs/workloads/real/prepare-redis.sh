#!/bin/sh
# Commands for redis in its own protocol: strings, lists, hashes and sorted sets
# that come, grow and go.
set -eu
for count in 4000 250000; do
    awk -v count="$count" '
        function say(n, a, b, c, d) {
            printf "*%d\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", n, length(a), a, length(b), b
            if (n > 2) printf "$%d\r\n%s\r\n", length(c), c
            if (n > 3) printf "$%d\r\n%s\r\n", length(d), d
        }
        BEGIN {
            srand(113)
            for (i = 0; i < 600; i++) text = text "abcdefghij"
            for (i = 0; i < count; i++) {
                key = int(rand() * count / 4)
                size = rand() < 0.95 ? int(rand() * 200) : int(rand() * 5000)
                kind = int(rand() * 10)
                if (kind < 4) say(3, "SET", "string:" key, substr(text, 1, size))
                else if (kind < 5) say(3, "APPEND", "string:" key, substr(text, 1, size / 4))
                else if (kind < 6) say(3, "LPUSH", "list:" key % 500, substr(text, 1, size))
                else if (kind < 7) say(4, "HSET", "hash:" key % 900, "field" key % 150, substr(text, 1, size / 2))
                else if (kind < 8) say(4, "ZADD", "set:" key % 300, int(rand() * 1000), "member" key % 4000)
                else if (kind < 9) say(2, "DEL", "string:" key)
                else say(2, "RPOP", "list:" key % 500)
            }
        }' > "$BENCH_DIR/redis-$count.resp"
done
