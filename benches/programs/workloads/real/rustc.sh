#!/bin/sh
# rustc: a file of generic code, to object code or to metadata. Debian's comes first: the
# compiler that rustup installs brings an allocator of its own, which no preload
# replaces.
# What it makes is a file: run by root, rustc would put one in the place of
# /dev/null.
PATH=/usr/bin:$PATH
exec rustc --edition 2021 --crate-type lib --emit "$1" -C codegen-units=1 -o "$BENCH_DIR/generic.out" "${0%/*}/generic.rs"
