//! The knobs in force, and where each came from.

use super::Findings;
use crate::look::bytes;
use cairn_reader::process::Process;
use cairn_reader::tables::Settings;
use cairn_reader::target::printable;
use std::collections::BTreeMap;
use std::fs;

/// A knob: its variable, its tunable, and how its value is shown.
struct Knob {
    name: &'static str,
    variable: &'static str,
    tunable: &'static str,
    value: fn(&Settings) -> u64,
    default: u64,
    in_bytes: bool,
}

const KNOBS: [Knob; 13] = [
    knob(
        "M_MMAP_THRESHOLD",
        "MALLOC_MMAP_THRESHOLD_",
        "mmap_threshold",
        |s| s.mmap_threshold,
        128 << 10,
        true,
    ),
    knob(
        "M_TRIM_THRESHOLD",
        "MALLOC_TRIM_THRESHOLD_",
        "trim_threshold",
        |s| s.trim_threshold,
        128 << 10,
        true,
    ),
    knob(
        "M_TOP_PAD",
        "MALLOC_TOP_PAD_",
        "top_pad",
        |s| s.top_pad,
        128 << 10,
        true,
    ),
    knob(
        "M_MMAP_MAX",
        "MALLOC_MMAP_MAX_",
        "mmap_max",
        |s| s.mmap_max,
        65536,
        false,
    ),
    knob(
        "M_ARENA_MAX",
        "MALLOC_ARENA_MAX",
        "arena_max",
        |s| s.arena_max,
        0,
        false,
    ),
    knob(
        "M_CHECK_ACTION",
        "MALLOC_CHECK_",
        "check",
        |s| s.check,
        0,
        false,
    ),
    knob("run_max", "CAIRN_RUN_MAX", "", |s| s.run_max, 512, true),
    knob(
        "cache_max",
        "",
        "tcache_max",
        |s| s.cache_max,
        32 << 10,
        true,
    ),
    knob(
        "purge_delay, ms",
        "CAIRN_PURGE_DELAY",
        "",
        |s| s.purge_delay,
        25,
        false,
    ),
    knob(
        "huge_from",
        "CAIRN_HUGE_FROM",
        "hugetlb",
        |s| s.huge_from,
        8 << 20,
        true,
    ),
    knob(
        "background",
        "CAIRN_BACKGROUND",
        "",
        |s| s.background,
        0,
        false,
    ),
    knob("limit", "CAIRN_LIMIT", "", |s| s.limit, 0, true),
    knob(
        "limit_hard",
        "CAIRN_LIMIT_HARD",
        "",
        |s| s.limit_hard,
        0,
        false,
    ),
];

const fn knob(
    name: &'static str,
    variable: &'static str,
    tunable: &'static str,
    value: fn(&Settings) -> u64,
    default: u64,
    in_bytes: bool,
) -> Knob {
    Knob {
        name,
        variable,
        tunable,
        value,
        default,
        in_bytes,
    }
}

/// Variables that Cairn knows beside those.
const OTHERS: [&str; 17] = [
    "MALLOC_PERTURB_",
    "MALLOC_ARENA_TEST",
    "CAIRN_QUARANTINE_COUNT",
    "CAIRN_QUARANTINE_BYTES",
    "CAIRN_FREE_FILL",
    "CAIRN_ADDRESS",
    "CAIRN_NAMES",
    "CAIRN_CHECK_STACKS",
    "CAIRN_GUARD",
    "CAIRN_GUARD_REPORT",
    "CAIRN_PROFILE",
    "CAIRN_PROFILE_INTERVAL",
    "CAIRN_PROFILE_STACKS",
    "CAIRN_VERBOSE",
    "CAIRN_REPORT_AT",
    "CAIRN_REPORT_SIGNAL",
    "CAIRN_REPORT_FILE",
];

/// The variables that the process was started with.
fn environment(process: &Process) -> BTreeMap<String, String> {
    let bytes = fs::read(process.path("environ")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let pair = |line: &str| {
        let (name, value) = line.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    text.split('\0').filter_map(pair).collect()
}

/// Tells each knob's value, and where it came from.
pub(super) fn tell(process: &Process, settings: &Settings, found: &mut Findings) {
    let environment = environment(process);
    let tunables = environment
        .get("GLIBC_TUNABLES")
        .cloned()
        .unwrap_or_default();
    let tunable = |name: &str| {
        let wanted = format!("glibc.malloc.{name}=");
        let of = |part: &str| part.starts_with(&wanted);
        !name.is_empty() && tunables.split(':').any(of)
    };
    for knob in &KNOBS {
        let value = (knob.value)(settings);
        let is_threshold = knob.name.ends_with("_THRESHOLD");
        let source = if tunable(knob.tunable) {
            format!("GLIBC_TUNABLES, glibc.malloc.{}", knob.tunable)
        } else if environment.contains_key(knob.variable) {
            knob.variable.to_owned()
        } else if value == knob.default {
            "default".to_owned()
        } else if is_threshold && !settings.fixed {
            "follows the sizes of freed mappings".to_owned()
        } else {
            "mallopt, or what the process can use".to_owned()
        };
        let value = if knob.in_bytes {
            bytes(value)
        } else {
            value.to_string()
        };
        found.good(&format!("{:<18} {value:>10}  {source}", knob.name));
    }
    for name in environment.keys() {
        let ours = name.starts_with("CAIRN_") || name.starts_with("MALLOC_");
        let known = KNOBS.iter().any(|k| k.variable == name) || OTHERS.contains(&name.as_str());
        if ours && !known {
            found.bad(&format!(
                "{} is set, and Cairn knows no such variable",
                printable(name)
            ));
        }
    }
}
