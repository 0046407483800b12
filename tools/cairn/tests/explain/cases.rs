//! Programs that Cairn ends, each with another message or another object.

/// A program of `c-tests`, its arguments, variables, and what the explanation says.
pub(crate) type Case = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

const CLASSIC: &str = "CAIRN_RUN_MAX=0";
pub(crate) const CASES: [Case; 40] = [
    (
        "misuse/double_free.c",
        "24 0",
        "",
        &[
            "double free detected",
            "is an object of 32 bytes at ",
            ", freed",
        ],
    ),
    (
        "misuse/double_free.c",
        "5000 0",
        "",
        &["double free detected", ", free"],
    ),
    (
        "misuse/double_free.c",
        "24 0",
        "MALLOC_CHECK_=2",
        &["double free detected", "freed, in check mode's quarantine"],
    ),
    (
        "misuse/wild_pointer.c",
        "free stack",
        "",
        &["free(): invalid pointer", "on the stack of thread "],
    ),
    (
        "misuse/wild_pointer.c",
        "free global",
        "",
        &["free(): invalid pointer", "no object of the heap"],
    ),
    (
        "misuse/wild_pointer.c",
        "free 8",
        "",
        &["no address: a number, or a field of a null pointer"],
    ),
    (
        "misuse/wild_pointer.c",
        "free 0x4141414141414140",
        "",
        &["where nothing is mapped"],
    ),
    (
        "misuse/wild_pointer.c",
        "free mapping",
        "",
        &["memory that the heap does not own"],
    ),
    (
        "misuse/wild_pointer.c",
        "free +16 100",
        "",
        &["16 bytes into an object of 112 bytes at ", "in use"],
    ),
    (
        "misuse/wild_pointer.c",
        "realloc +8 1000",
        "",
        &["realloc(): invalid pointer", "8 bytes into an object of "],
    ),
    (
        "misuse/wild_pointer.c",
        "usable_size +16 24",
        "",
        &["malloc_usable_size(): invalid pointer", " bytes into "],
    ),
    (
        "misuse/stale.c",
        "realloc 100",
        "",
        &["realloc(): invalid pointer", ", freed"],
    ),
    (
        "misuse/mapped.c",
        "free interior",
        "",
        &[
            "munmap_chunk(): invalid pointer",
            "with a mapping of its own, in use",
        ],
    ),
    (
        "misuse/header.c",
        "free 200 over 8",
        CLASSIC,
        &["free(): invalid size"],
    ),
    (
        "misuse/header.c",
        "realloc 200 over 8",
        CLASSIC,
        &["realloc(): invalid size"],
    ),
    (
        "misuse/sized.c",
        "1000 500",
        "",
        &[
            "sized deallocation with a wrong size",
            "an object of ",
            "in use",
        ],
    ),
    (
        "misuse/binned.c",
        "links",
        CLASSIC,
        &["corrupted double-linked list"],
    ),
    ("misuse/binned.c", "size", CLASSIC, &[]),
    (
        "misuse/cached.c",
        "1000 8",
        CLASSIC,
        &["malloc(): unaligned tcache chunk detected"],
    ),
    ("misuse/perturbed.c", "1000 tag", "", &[]),
    ("misuse/merge.c", "next_header", CLASSIC, &[]),
    ("misuse/mapped.c", "free under", "", &[]),
    (
        "check_mode/overflow.c",
        "100 0 1 turned free",
        "MALLOC_CHECK_=1",
        &["past end of allocated block", "an object of "],
    ),
    (
        "check_mode/overflow.c",
        "100000 0 1 turned free",
        "MALLOC_CHECK_=2",
        &["past end of allocated block", "an object of "],
    ),
    (
        "check_mode/write_after_free.c",
        "100 0 exit",
        "MALLOC_CHECK_=3",
        &["(freed memory was written)"],
    ),
    (
        "misuse/binned.c",
        "foot",
        CLASSIC,
        &["corrupted size vs. prev_size"],
    ),
    (
        "misuse/merge.c",
        "foot",
        CLASSIC,
        &["corrupted size vs. prev_size"],
    ),
    ("misuse/top.c", "16", "", &["malloc(): corrupted top size"]),
    ("misuse/slot.c", "24 8", "", &["free(): corrupted run"]),
    (
        "misuse/first_of_bin.c",
        "400",
        CLASSIC,
        &["malloc(): corrupted unsorted chunks"],
    ),
    (
        "techniques/poison_null_byte.c",
        "5000 free",
        "",
        &["malloc(): invalid size (unsorted)"],
    ),
    (
        "techniques/poison_null_byte.c",
        "50000 flag",
        "",
        &["corrupted size vs. prev_size while consolidating"],
    ),
    (
        "techniques/house_of_einherjar.c",
        "50000 hidden",
        "",
        &["malloc(): invalid next->prev_inuse (unsorted)"],
    ),
    (
        "techniques/new_top.c",
        "40000 fence",
        "",
        &["free(): invalid next size (normal)"],
    ),
    (
        "misuse/heap.c",
        "plain 1000",
        "",
        &["cairn_heap_free(): object of another heap", "an object of "],
    ),
    (
        "misuse/heap.c",
        "ended-heap 1000",
        "",
        &["cairn_heap: not a heap, or one that was destroyed"],
    ),
    (
        "misuse/handler.c",
        "",
        "",
        &["cairn: allocator entered again by a signal handler"],
    ),
    (
        "check_mode/underflow.c",
        "300000 9 1",
        "MALLOC_CHECK_=1",
        &["memory clobbered before allocated block"],
    ),
    (
        "check_mode/write_after_free.c",
        "1000 -1 trim",
        "MALLOC_CHECK_=2",
        &["malloc(): memory corruption (fast)"],
    ),
    (
        "check_mode/write_after_free.c",
        "1000 -1 exit",
        "MALLOC_CHECK_=3",
        &["cairn: check_heap found a broken invariant"],
    ),
];
