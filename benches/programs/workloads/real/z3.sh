#!/bin/sh
# z3: $1 pigeons in one hole less, and equations over 16-bit words and arrays.
exec z3 -smt2 "$BENCH_DIR/z3-$1.smt2"
