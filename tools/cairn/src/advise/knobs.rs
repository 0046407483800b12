//! The settings that are tried.

use launch::libraries::{CAIRN, GLIBC, Library};

/// A setting of an allocator: a variable with a value, and what it does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Knob {
    /// The allocator that reads it.
    of: &'static str,
    pub(super) name: &'static str,
    pub(super) value: &'static str,
}

const fn knob(of: &'static str, name: &'static str, value: &'static str) -> Knob {
    Knob { of, name, value }
}

const JEMALLOC: &str = "jemalloc";
const MIMALLOC: &str = "mimalloc-deb";
const TUNABLES: &str = "GLIBC_TUNABLES";
const CONF: &str = "MALLOC_CONF";

/// Those that a user would set, for a program that is to be quicker or smaller.
const KNOBS: &[Knob] = &[
    knob(CAIRN, "MALLOC_ARENA_MAX", "1"),
    knob(CAIRN, "MALLOC_ARENA_MAX", "2"),
    knob(CAIRN, "MALLOC_MMAP_THRESHOLD_", "33554432"),
    knob(CAIRN, "MALLOC_TRIM_THRESHOLD_", "67108864"),
    knob(CAIRN, "MALLOC_TOP_PAD_", "4194304"),
    knob(CAIRN, "CAIRN_PURGE_DELAY", "0"),
    knob(CAIRN, "CAIRN_PURGE_DELAY", "1000"),
    knob(CAIRN, "CAIRN_HUGE_FROM", "0"),
    knob(CAIRN, "CAIRN_HUGE_FROM", "1"),
    knob(CAIRN, "CAIRN_RUN_MAX", "0"),
    knob(CAIRN, TUNABLES, "glibc.malloc.tcache_count=64"),
    knob(GLIBC, "MALLOC_ARENA_MAX", "1"),
    knob(GLIBC, "MALLOC_ARENA_MAX", "2"),
    knob(GLIBC, "MALLOC_MMAP_THRESHOLD_", "131072"),
    knob(GLIBC, "MALLOC_MMAP_THRESHOLD_", "33554432"),
    knob(GLIBC, "MALLOC_TRIM_THRESHOLD_", "67108864"),
    knob(GLIBC, "MALLOC_TOP_PAD_", "4194304"),
    knob(GLIBC, TUNABLES, "glibc.malloc.tcache_count=0"),
    knob(GLIBC, TUNABLES, "glibc.malloc.tcache_count=127"),
    knob(GLIBC, TUNABLES, "glibc.malloc.hugetlb=1"),
    knob(JEMALLOC, CONF, "narenas:1"),
    knob(JEMALLOC, CONF, "narenas:2"),
    knob(JEMALLOC, CONF, "dirty_decay_ms:0,muzzy_decay_ms:0"),
    knob(JEMALLOC, CONF, "dirty_decay_ms:60000"),
    knob(JEMALLOC, CONF, "tcache:false"),
    knob(JEMALLOC, CONF, "background_thread:true"),
    knob(MIMALLOC, "MIMALLOC_RESET_DELAY", "0"),
    knob(MIMALLOC, "MIMALLOC_RESET_DELAY", "1000"),
    knob(MIMALLOC, "MIMALLOC_EAGER_COMMIT", "0"),
    knob(MIMALLOC, "MIMALLOC_PAGE_RESET", "1"),
    knob(MIMALLOC, "MIMALLOC_EAGER_COMMIT_DELAY", "0"),
];

/// The settings of an allocator.
pub(super) fn of(library: &str) -> impl Iterator<Item = Knob> + use<'_> {
    KNOBS.iter().copied().filter(move |knob| knob.of == library)
}

/// The allocator with a setting more; none if the two have something to say of one variable that
/// cannot hold both.
pub(super) fn with(library: &Library, knob: Knob) -> Option<Library> {
    let mut set = library.clone();
    match set.env.iter_mut().find(|(name, _)| name == knob.name) {
        None => set.env.push((knob.name.to_owned(), knob.value.to_owned())),
        Some((_, value)) => {
            let separator = match knob.name {
                TUNABLES => ':',
                CONF => ',',
                _ => return None,
            };
            let key = |text: &str| text.split([':', '=']).next().map(str::to_owned);
            let is_there = value
                .split(separator)
                .any(|other| key(other) == key(knob.value));
            if is_there {
                return None;
            }
            value.push(separator);
            value.push_str(knob.value);
        }
    }
    set.name = line(&set);
    Some(set)
}

/// What stands in the environment.
pub(super) fn line(library: &Library) -> String {
    let words: Vec<String> = library
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use launch::libraries::Library;

    use super::{knob, line, with};

    #[test]
    fn two_settings_are_together_where_both_can_be() {
        let plain = Library {
            name: "glibc".to_owned(),
            preload: "libc.so.6".into(),
            version: String::new(),
            env: Vec::new(),
        };
        let tcache = knob("glibc", "GLIBC_TUNABLES", "glibc.malloc.tcache_count=0");
        let other = knob("glibc", "GLIBC_TUNABLES", "glibc.malloc.tcache_count=127");
        let huge = knob("glibc", "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1");
        let one = with(&plain, tcache);
        assert!(one.as_ref().is_some_and(|one| with(one, other).is_none()));
        let both = one.and_then(|one| with(&one, huge));
        assert_eq!(
            both.map(|both| line(&both)).as_deref(),
            Some("GLIBC_TUNABLES=glibc.malloc.tcache_count=0:glibc.malloc.hugetlb=1")
        );
        let arenas = |value| knob("glibc", "MALLOC_ARENA_MAX", value);
        let one = with(&plain, arenas("1"));
        assert!(one.is_some_and(|one| with(&one, arenas("2")).is_none()));
    }
}
