#!/bin/sh
# cppcheck: an analyser that holds a whole file as tokens and facts about them.
exec cppcheck --quiet --enable=style --max-ctu-depth=0 "$BENCH_DIR/cppcheck-$1.c" 2> "$BENCH_DIR/cppcheck-$1.txt"
