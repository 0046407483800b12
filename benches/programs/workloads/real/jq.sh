#!/bin/sh
# jq: a file of $1 records, filtered, grouped and changed.
exec jq -c -s 'map(select(.active)) | group_by(.team)
    | map({team: .[0].team, count: length, tags: (map(.tags[]) | unique), best: max_by(.score).name})
    | map(.tags |= map(ascii_upcase)) | tojson | {length: length, text: .[0:200]}' "$BENCH_DIR/jq-$1.json"
