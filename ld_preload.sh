#!/usr/bin/env bash
# ./ld_preload.sh PROGRAM ARGS...
#
# Runs PROGRAM on Cairn. Builds libcairn.so first if it is missing or older
# than its sources, preloads it in front of whatever LD_PRELOAD already holds,
# and becomes PROGRAM: arguments, standard streams and exit status are its own.
#
# If PROGRAM was not started, the exit status says why:
#   2    no PROGRAM was given
#   125  libcairn.so is missing and could not be built
#   126  PROGRAM cannot run on Cairn, or cannot run at all
#   127  PROGRAM was not found
set -euo pipefail
shopt -s inherit_errexit

give_up() {
    local status=$1
    shift
    printf 'ld_preload.sh: %s\n' "$*" >&2
    exit "$status"
}

# ---- The library

# Sources newer than the library are built anew, but a machine that has the
# library and no toolchain uses what it has.
is_current() {
    [[ -f $library ]] || return 1
    command -v cargo >/dev/null && command -v cc >/dev/null || return 0
    [[ -z $(find "$root/src" "$root/preload" "$root/Cargo.toml" -newer "$library" -print -quit) ]]
}

# The build sees none of the program's input, and its own output goes to
# stderr: stdout belongs to the program. What is preloaded for the program is
# not meant for the compiler.
build() {
    command -v cargo >/dev/null ||
        give_up 125 "libcairn.so has to be built, and there is no cargo: install Rust 1.88 or later"
    command -v cc >/dev/null ||
        give_up 125 "libcairn.so has to be built, and there is no cc to link it: install a C compiler"
    env -u LD_PRELOAD -u CARGO_BUILD_TARGET \
        cargo build --release --package cairn-preload \
        --manifest-path "$root/Cargo.toml" --target-dir "$target" </dev/null >&2 ||
        give_up 125 "libcairn.so could not be built"
    [[ -f $library ]] || give_up 125 "the build left no $library"
    # What changed need not have changed the library; it is as new as they are.
    touch "$library"
}

# ---- The program

# number FILE OFFSET BYTES: a little-endian field of the file.
number() {
    local bytes byte value=0 shift=0
    bytes=$(od -An -v -tu1 -j "$2" -N "$3" -- "$1")
    for byte in $bytes; do
        value=$((value | byte << shift))
        shift=$((shift + 8))
    done
    printf '%d' "$value"
}

# Whether a program header asks for the dynamic loader (PT_INTERP, type 3).
# Without one nobody reads LD_PRELOAD.
asks_for_loader() {
    local table size count entry
    table=$(number "$1" 32 8)
    size=$(number "$1" 54 2)
    count=$(number "$1" 56 2)
    for ((entry = 0; entry < count; entry++)); do
        [[ $(number "$1" $((table + entry * size)) 4) == 3 ]] && return 0
    done
    return 1
}

# Whether the kernel gives the program rights that the caller has not: then
# the loader ignores a preloaded library.
is_privileged() {
    [[ -u $1 && ! -O $1 ]] && return 0
    [[ -g $1 && ! -G $1 ]] && return 0
    ((EUID != 0)) && command -v getcap >/dev/null && [[ -n $(getcap "$1" 2>/dev/null) ]]
}

# Says why an ELF file would run without Cairn.
check_elf() {
    local file=$1
    # Byte 4 is the width of the words, 18 and 19 are the processor.
    if [[ $(number "$file" 4 1) != $(number "$library" 4 1) ||
        $(number "$file" 18 2) != $(number "$library" 18 2) ]]; then
        give_up 126 "$file is built for another architecture than libcairn.so, which it cannot load"
    fi
    if is_privileged "$file"; then
        give_up 126 "$file is setuid, setgid or has capabilities: the loader preloads nothing into it"
    fi
    # The loader itself may be called with a program to run.
    if [[ ${file##*/} != ld-linux* && ${file##*/} != ld.so ]] && ! asks_for_loader "$file"; then
        give_up 126 "$file is statically linked: its malloc is part of it, and it preloads nothing"
    fi
}

# The file that a command line's first word names, as exec would find it.
find_program() {
    local name=$1 file
    if [[ $name == */* ]]; then
        file=$name
    else
        file=$(type -P -- "$name") || give_up 127 "$name: not found in PATH"
    fi
    [[ -e $file ]] || give_up 127 "$name: no such file"
    [[ ! -d $file ]] || give_up 126 "$name: is a directory"
    [[ -x $file ]] || give_up 126 "$name: not executable"
    printf '%s' "$file"
}

# For a script it is the interpreter that loads Cairn, or the program that
# the interpreter `env` looks up.
check() {
    local file=$1 depth=$2 magic line words word
    # Executable but not readable: the loader will say what is wrong, if
    # anything is.
    [[ -r $file ]] || return 0
    magic=$(od -An -v -tx1 -N 4 -- "$file")
    case $magic in
    ' 7f 45 4c 46')
        check_elf "$file"
        ;;
    ' 23 21'*)
        # The kernel follows interpreters that are scripts, not for ever.
        ((depth < 5)) || return 0
        IFS= read -r line <"$file" || true
        read -r -a words <<<"${line#\#!}"
        ((${#words[@]})) || return 0
        [[ -x ${words[0]} ]] || give_up 126 "$file: its interpreter ${words[0]} cannot be run"
        check "${words[0]}" $((depth + 1))
        [[ ${words[0]##*/} == env ]] || return 0
        for word in "${words[@]:1}"; do
            [[ $word == -* || $word == *=* ]] && continue
            word=$(find_program "$word")
            check "$word" $((depth + 1))
            return 0
        done
        ;;
    esac
}

# Prints the path of the library, once it and the program are known to fit.
prepare() {
    root=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
    target=${CARGO_TARGET_DIR:-$root/target}
    [[ $target == /* ]] || target=$PWD/$target
    library=$target/release/libcairn.so

    # Both separate the entries of LD_PRELOAD, and nothing quotes them there.
    [[ $library != *[[:space:]:]* ]] ||
        give_up 125 "$library: LD_PRELOAD cannot hold a path with a space or a colon; move the checkout or set CARGO_TARGET_DIR"

    local program
    program=$(find_program "$1")
    is_current || build
    check "$program" 1
    printf '%s' "$library"
}

(($#)) || give_up 2 "usage: ld_preload.sh PROGRAM ARGS..."

# Everything above runs in a subshell: a variable set here that the caller has
# exported under the same name would reach the program changed.
cairn_library=$(prepare "$@")
LD_PRELOAD="$cairn_library${LD_PRELOAD:+:$LD_PRELOAD}" exec -- "$@"
