//! What `libcairn.so` looks like from outside: the symbols it exports and
//! needs, its libraries, its thread-local storage, and what it must not hold.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// malloc's family and its control, as C programs name them.
const C: &[&str] = &[
    "aligned_alloc",
    "calloc",
    "cfree",
    "free",
    "free_aligned_sized",
    "free_sized",
    "mallinfo",
    "mallinfo2",
    "malloc",
    "malloc_info",
    "malloc_stats",
    "malloc_trim",
    "malloc_usable_size",
    "mallopt",
    "memalign",
    "posix_memalign",
    "pvalloc",
    "realloc",
    "reallocarray",
    "valloc",
];

/// The same under the names that glibc has inside.
const ALIASES: &[&str] = &[
    "__libc_calloc",
    "__libc_cfree",
    "__libc_free",
    "__libc_mallinfo",
    "__libc_malloc",
    "__libc_mallopt",
    "__libc_memalign",
    "__libc_pvalloc",
    "__libc_realloc",
    "__libc_reallocarray",
    "__libc_valloc",
    "__posix_memalign",
];

/// The C++ operators that the standard defines others by.
const CXX_BASE: &[&str] = &[
    "_Znwm",
    "_Znam",
    "_ZnwmSt11align_val_t",
    "_ZnamSt11align_val_t",
    "_ZdlPv",
    "_ZdaPv",
    "_ZdlPvSt11align_val_t",
    "_ZdaPvSt11align_val_t",
];

/// The other operators: nothrow and sized.
const CXX_DERIVED: &[&str] = &[
    "_ZnwmRKSt9nothrow_t",
    "_ZnamRKSt9nothrow_t",
    "_ZnwmSt11align_val_tRKSt9nothrow_t",
    "_ZnamSt11align_val_tRKSt9nothrow_t",
    "_ZdlPvm",
    "_ZdaPvm",
    "_ZdlPvRKSt9nothrow_t",
    "_ZdaPvRKSt9nothrow_t",
    "_ZdlPvmSt11align_val_t",
    "_ZdaPvmSt11align_val_t",
    "_ZdlPvSt11align_val_tRKSt9nothrow_t",
    "_ZdaPvSt11align_val_tRKSt9nothrow_t",
];

/// What only Cairn has, under the version [`VERSION`]; `cairn.h` declares them.
const OWN: &[&str] = &[
    "cairn_background",
    "cairn_flush",
    "cairn_heap_aligned_alloc",
    "cairn_heap_alloc",
    "cairn_heap_calloc",
    "cairn_heap_destroy",
    "cairn_heap_free",
    "cairn_heap_new",
    "cairn_heap_realloc",
    "cairn_heap_stats",
    "cairn_idle",
    "cairn_limit",
    "cairn_profile_interval",
    "cairn_start_profile",
    "cairn_stats",
    "cairn_stop_profile",
    "cairn_trim",
    "cairn_usable_size",
    "cairn_version",
    "cairn_walk_objects",
];

/// The version of [`OWN`]. What else is exported has none, or the loader would pass over it for a
/// program that asks for `malloc@GLIBC_2.2.5`.
const VERSION: &str = "CAIRN_1";

/// What a binutils program says about the library, or `None` without it.
fn says(tool: &str, arguments: &[&str]) -> Option<String> {
    says_of(&common::libcairn(), tool, arguments)
}

fn says_of(library: &Path, tool: &str, arguments: &[&str]) -> Option<String> {
    let tool = common::find(tool)?;
    let output = common::watch(
        Command::new(&tool)
            .args(arguments)
            .arg(library)
            .env("LC_ALL", "C"),
    );
    assert!(output.status.success(), "{}", common::describe(&output));
    Some(String::from_utf8(output.stdout).expect("binutils write ASCII"))
}

/// The part of a symbol before its version.
fn bare(symbol: &str) -> &str {
    symbol.split('@').next().unwrap_or(symbol)
}

/// Every exported symbol with its version, `malloc` or `cairn_trim@@CAIRN_1`.
fn exported(library: &Path) -> Option<BTreeSet<String>> {
    let symbols = says_of(library, "nm", &["-D", "--defined-only", "--format=posix"])?;
    let mut all = BTreeSet::new();
    for line in symbols.lines() {
        let mut words = line.split(' ');
        let (name, kind) = (words.next().unwrap_or_default(), words.next());
        // A GNU linker has a symbol of a version's own name as well.
        if name != VERSION {
            assert_eq!(kind, Some("T"), "not a function: {line}");
            all.insert(name.to_owned());
        }
    }
    Some(all)
}

#[track_caller]
fn exports_what_is_documented(library: &Path) {
    let Some(exported) = exported(library) else {
        return;
    };
    let plain = [C, ALIASES, CXX_BASE, CXX_DERIVED].concat();
    let own = OWN.iter().map(|name| format!("{name}@@{VERSION}"));
    let documented: BTreeSet<String> = plain.into_iter().map(str::to_owned).chain(own).collect();
    assert_eq!(documented.len(), 20 + 12 + 20 + 20);
    let missing: Vec<_> = documented.difference(&exported).collect();
    let undocumented: Vec<_> = exported.difference(&documented).collect();
    assert!(
        missing.is_empty() && undocumented.is_empty(),
        "missing {missing:?}, undocumented {undocumented:?}"
    );
}

#[test]
fn it_exports_the_documented_symbols_and_no_other() {
    exports_what_is_documented(&common::libcairn());
}

/// Of the linkers each takes the list of versions in its own way (`preload/library.ld`).
#[test]
fn a_gnu_linker_exports_the_same() {
    // A library from elsewhere has its own linker, and another build is for the long form.
    if std::env::var_os("CAIRN_LIBRARY").is_some() || !common::is_long() {
        return;
    }
    // Debian's linker; the compiler's own is lld on x86-64 from Rust 1.90 on.
    let linker = ["--config", "build.rustflags=['-Clink-arg=-fuse-ld=bfd']"];
    let library = common::build_libcairn("libcairn-gnu", &linker).expect("it builds");
    exports_what_is_documented(&library);
}

/// What the loader does where a program asks for a symbol of a version is told by the version's
/// definition: a library has one of its name, and the one that only its own functions carry.
#[test]
fn it_defines_one_version() {
    let Some(versions) = says("readelf", &["--version-info", "--wide"]) else {
        return;
    };
    let defined: Vec<&str> = versions
        .lines()
        .skip_while(|line| !line.contains(".gnu.version_d"))
        .take_while(|line| !line.contains(".gnu.version_r"))
        .filter_map(|line| line.split("Name: ").nth(1))
        .collect();
    assert_eq!(defined, ["libcairn.so", VERSION], "{versions}");
}

/// What an exported symbol calls or looks up among the exported ones goes
/// through a relocation, which the loader fills with whatever a program has
/// put in front.
#[test]
fn no_exported_symbol_calls_another() {
    let Some(relocations) = says("readelf", &["--relocs", "--wide"]) else {
        return;
    };
    let exported = [C, ALIASES, CXX_BASE, CXX_DERIVED, OWN].concat();
    let mut compared = Vec::new();
    for line in relocations.lines().filter(|line| line.contains("R_")) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [offset, _, kind, _, symbol, ..] = fields[..] else {
            continue;
        };
        let symbol = bare(symbol);
        if !exported.contains(&symbol) {
            continue;
        }
        // The entries that Cairn compares with its own addresses, to see who
        // stands in front.
        assert!(
            (symbol == "malloc" || CXX_BASE.contains(&symbol)) && kind.ends_with("GLOB_DAT"),
            "{symbol} is called or its address is taken: {line}"
        );
        compared.push((u64::from_str_radix(offset, 16).expect("an offset"), symbol));
    }
    assert!(
        compared.len() >= CXX_BASE.len(),
        "not all base forms are compared: {compared:?}"
    );

    // On other processors a call through an entry takes several instructions.
    if cfg!(target_arch = "x86_64") {
        let Some(code) = says(
            "objdump",
            &["--disassemble", "--no-show-raw-insn", "--wide"],
        ) else {
            return;
        };
        for (entry, symbol) in compared {
            let uses: Vec<&str> = code
                .lines()
                .filter(|line| line.contains(&format!("# {entry:x} ")))
                .collect();
            assert!(!uses.is_empty(), "{symbol} has an entry that nobody reads");
            for line in uses {
                assert!(
                    line.contains("mov") || line.contains("cmp") || line.contains("lea"),
                    "{symbol} is called: {line}"
                );
            }
        }
    }
}

#[test]
fn it_needs_the_c_library_and_the_loader_alone() {
    let Some(dynamic) = says("readelf", &["--dynamic", "--wide"]) else {
        return;
    };
    let needed: Vec<&str> = dynamic
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| line.split(['[', ']']).nth(1))
        .collect();
    assert!(needed.contains(&"libc.so.6"), "{needed:?}");
    for library in needed {
        let piece = common::pieces_of_libc().contains(&library);
        assert!(
            library == "libc.so.6" || library.starts_with("ld-linux") || piece,
            "needs {library}"
        );
    }
}

#[test]
fn it_stays_loaded_and_is_bound_at_once() {
    let Some(dynamic) = says("readelf", &["--dynamic", "--wide"]) else {
        return;
    };
    for flag in ["NODELETE", "NOW"] {
        assert!(
            dynamic
                .lines()
                .any(|line| line.contains("(FLAGS_1)") && line.contains(flag)),
            "no {flag} in:\n{dynamic}"
        );
    }
    assert!(!dynamic.contains("TEXTREL"), "{dynamic}");
}

/// A static that begins with anything but zeros, or the compiler's start files, would bring one.
#[test]
fn it_has_no_page_of_its_file_that_every_process_copies() {
    let Some(sections) = says("readelf", &["--sections", "--wide"]) else {
        return;
    };
    let written = sections.lines().any(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word != ".data");
        let size = words.nth(4).map(|size| u64::from_str_radix(size, 16));
        size.is_some_and(|size| size != Ok(0))
    });
    assert!(sections.contains(" .bss "), "no sections:\n{sections}");
    assert!(!written, "bytes to copy in .data:\n{sections}");
}

/// A field of a program header that is a number.
fn number(line: &str, field: usize) -> u64 {
    let word = line.split_whitespace().nth(field).unwrap_or_default();
    u64::from_str_radix(word.trim_start_matches("0x"), 16).expect("a number in hexadecimal")
}

/// Where each part lies is `preload/library.ld`'s.
#[test]
fn its_tables_lie_between_two_holes_that_the_loader_closes() {
    let Some(headers) = says("readelf", &["--program-headers", "--wide"]) else {
        return;
    };
    let parts: Vec<&str> = headers
        .lines()
        .filter(|line| line.trim_start().starts_with("LOAD "))
        .collect();
    let flags: Vec<String> = parts
        .iter()
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().skip(6).collect();
            words[..words.len() - 1].concat()
        })
        .collect();
    assert_eq!(flags, ["RE", "RW", "R"], "{headers}");
    let bounds: Vec<(u64, u64)> = parts
        .iter()
        .map(|line| (number(line, 2), number(line, 2) + number(line, 5)))
        .collect();
    for pair in bounds.windows(2) {
        let hole = pair[1].0 - pair[0].1;
        // Some processes may have but little address space.
        assert!((4 << 20..5 << 20).contains(&hole), "{headers}");
    }
    for part in &parts {
        // Who maps the file himself, as valgrind does, takes no part without bytes in it.
        assert!(number(part, 4) > 0, "nothing in the file: {headers}");
    }
    // Less than a huge page: where the kernel makes those unasked it makes none of this, which
    // would be resident at once.
    let tables = bounds[1].1 - bounds[1].0;
    let page = number(parts[1], parts[1].split_whitespace().count() - 1);
    if cfg!(target_arch = "x86_64") {
        assert!(tables - page < 2 << 20, "{tables} bytes: {headers}");
    }
    // What the loader closes after relocation ends where a page ends, of the kernel's largest, and
    // what is in the file ends there or before: the loader clears the rest of a page.
    let closed: Vec<&str> = headers
        .lines()
        .filter(|line| line.trim_start().starts_with("GNU_RELRO "))
        .collect();
    assert_eq!(closed.len(), 1, "{headers}");
    let end = number(closed[0], 2) + number(closed[0], 5);
    let filled = number(parts[1], 2) + number(parts[1], 4);
    assert!(
        end.is_multiple_of(page) && filled <= end && end - page < filled,
        "{headers}"
    );
}

/// More than 64 bytes of static storage, and a late `dlopen` may find none.
#[test]
fn its_thread_local_storage_is_static_and_small() {
    let Some(dynamic) = says("readelf", &["--dynamic", "--program-headers", "--wide"]) else {
        return;
    };
    assert!(
        dynamic
            .lines()
            .any(|line| line.contains("(FLAGS)") && line.contains("STATIC_TLS")),
        "no STATIC_TLS in:\n{dynamic}"
    );
    let segments: Vec<u64> = dynamic
        .lines()
        .filter(|line| line.trim_start().starts_with("TLS "))
        .filter_map(|line| line.split_whitespace().nth(5))
        .map(|size| {
            u64::from_str_radix(size.trim_start_matches("0x"), 16).expect("a size in hexadecimal")
        })
        .collect();
    assert_eq!(segments.len(), 1, "{dynamic}");
    assert!(
        segments.iter().all(|size| (8..=64).contains(size)),
        "{segments:?} bytes"
    );
    // A general-dynamic access would be a call for each one.
    let undefined = says("nm", &["-D", "--undefined-only"]).unwrap_or_default();
    assert!(!undefined.contains("__tls_get_addr"), "{undefined}");
}

/// Formatting and panics allocate, and have no way out of an allocator.
#[test]
fn nothing_in_it_formats_or_panics() {
    let Some(symbols) = says("nm", &["--format=posix"]) else {
        return;
    };
    assert!(symbols.contains("malloc T"), "no symbol table");
    // As the two ways of mangling spell them.
    for part in [
        "4core3fmt",
        "4core9panicking",
        "core3fmt",
        "9panicking",
        "3std2io",
        "5alloc7raw_vec",
    ] {
        let found: Vec<&str> = symbols.lines().filter(|line| line.contains(part)).collect();
        assert!(found.is_empty(), "{part} is linked: {found:#?}");
    }
}

#[test]
fn every_alias_is_the_function_it_is_named_after() {
    let program = common::compile_c("packaging/aliases.c", &[]);
    common::for_each_mode(|mode| {
        common::assert_silent_success(&common::run(&program, &[], mode));
    });
}
