# rustc: a file of generic code, to object code or to metadata. Debian's comes first: the
# compiler that rustup installs brings an allocator of its own, which no preload
# replaces.
PATH=/usr/bin:$PATH
exec rustc --edition 2021 --crate-type lib --emit "$1" -C codegen-units=1 -o /dev/null "${0%/*}/generic.rs"
