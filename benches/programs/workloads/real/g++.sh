#!/bin/sh
# g++: the compiler proper on a file of many templates, without the assembler.
exec g++ -std=c++17 -O1 -DCOUNT="$1" -S -o "$BENCH_DIR/templates.s" "${0%/*}/templates.cc"
