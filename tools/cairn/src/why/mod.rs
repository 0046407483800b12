//! `cairn why`: what the resident memory of a process consists of, and why it does not fall.

mod lines;
mod text;
mod verdict;

use crate::look::{self, Subject};
use crate::pins::{self, Pins};
use anyhow::Result;
use cairn_reader::account::{Account, Ours, Rest};
use cairn_reader::tables::{Arena, Settings};
use clap::Args;
use lines::Line;
use serde::Serialize;

/// Says what the resident memory consists of, line by line, and why it does not fall.
#[derive(Args)]
#[command(after_help = "\
Example:
  cairn why $(pidof redis-server)
  cairn why cairn-report.1234.1
  cairn why core.1234 --json | jq '.lines[] | select(.share > 0.1)'

The process stands still meanwhile, mostly for milliseconds. The rights are those of a debugger:
its user, or root. Nothing is changed in it.")]
pub(crate) struct Arguments {
    /// Number of a process, or path of a core file or of a report
    #[arg(value_name = "PID|FILE", allow_negative_numbers = true)]
    target: String,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
    /// Do not stop the process: figures are of different moments, and may not add up
    #[arg(long)]
    running: bool,
}

/// Everything that was found out.
pub(crate) struct Facts {
    accounts: Vec<Account>,
    rest: Rest,
    /// Of the first instance.
    settings: Settings,
    caches: Vec<Held>,
    arenas: u64,
    top_used: u64,
    releases: Vec<(String, String)>,
    pins: Vec<Pins>,
    /// Who asked for what keeps nearly free pages.
    sites: Vec<pins::Site>,
    /// Heaps of the program's own that have memory.
    own: Vec<OwnHeap>,
}

/// A heap of the program's own.
#[derive(Clone, Debug, Serialize)]
struct OwnHeap {
    name: String,
    /// Bytes that it has from the system, and those of chunks of a mapping each.
    system: u64,
    mapped: u64,
    limit: Option<u64>,
}

/// What a thread's cache holds.
#[derive(Clone, Debug, Serialize)]
struct Held {
    /// The thread; none where it is not known or the cache waits for one.
    thread: Option<i32>,
    /// It waits for a thread.
    parked: bool,
    /// Objects and chunks.
    count: u64,
    /// Their bytes.
    bytes: u64,
    /// How many of those are resident.
    resident: u64,
}

/// The page as JSON.
#[derive(Serialize)]
struct Page<'a> {
    pid: Option<i32>,
    command: &'a str,
    cairn: &'a [(String, String)],
    stood_still_seconds: Option<f64>,
    residency_known: bool,
    resident: u64,
    explained: u64,
    unexplained: u64,
    in_huge_pages: u64,
    swapped: u64,
    dropped: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    report_is_whole: Option<bool>,
    lines: &'a [Line],
    caches: &'a [Held],
    own_heaps: &'a [OwnHeap],
    largest_elsewhere: &'a [(String, u64)],
    mappings: Vec<Mapping>,
    trim: Trim,
    pinned: Pinned<'a>,
    knobs: Knobs,
    verdict: &'a [String],
}

/// A mapping that Cairn has a part of, by the kernel's count.
#[derive(Serialize)]
struct Mapping {
    from: u64,
    bytes: u64,
    resident: u64,
}

/// What `malloc_trim(0)` would give back.
#[derive(Serialize)]
struct Trim {
    at_once: u64,
    with_all_caches: u64,
}

/// What lies free beside something in use.
#[derive(Serialize)]
struct Pinned<'a> {
    beside_live: u64,
    sparse_pages: u64,
    free_on_sparse_pages: u64,
    objects_by_size: Vec<(u64, u64)>,
    sites: &'a [pins::Site],
}

/// The knobs in force.
#[derive(Serialize)]
struct Knobs {
    mmap_threshold: u64,
    trim_threshold: u64,
    top_pad: u64,
    mmap_max: u64,
    thresholds_set_by_hand: bool,
    arena_max: u64,
    purge_delay_ms: u64,
    huge_from: u64,
    check: u64,
    run_max: u64,
    cache_max: u64,
}

impl Facts {
    /// All that is resident, by the kernel or, of a core file, by what was found.
    fn resident(&self, subject: &Subject) -> u64 {
        subject.rss.unwrap_or_else(|| self.explained())
    }

    fn explained(&self) -> u64 {
        let own: u64 = self.accounts.iter().map(Account::resident).sum();
        own + self.rest.resident()
    }

    fn known(&self) -> bool {
        self.accounts.iter().all(|a| a.known)
    }

    fn sum(&self, of: impl Fn(&Account) -> u64) -> u64 {
        self.accounts.iter().map(of).sum()
    }
}

/// Prints the page.
///
/// # Errors
/// The process or file cannot be looked at.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let pid = arguments.target.parse().ok();
    let (subject, mut facts) = look::look(&arguments.target, arguments.running, |scene| {
        gather(scene, pid)
    })?;
    facts.sites = pins::sites(&facts.pins, &subject);
    let lines = lines::lines(&facts, &subject);
    let verdict = verdict::verdict(&facts, &subject);
    let text = if arguments.json {
        let mut text = serde_json::to_string_pretty(&json(&facts, &subject, &lines, &verdict))?;
        text.push('\n');
        text
    } else {
        text::page(&facts, &subject, &lines, &verdict)
    };
    crate::print(&text)
}

fn gather(scene: &look::Scene<'_>, pid: Option<i32>) -> Facts {
    let (accounts, rest) = look::accounts(scene, pid);
    let heaps = scene.heaps;
    let caches = heaps.iter().zip(&accounts).flat_map(|(heap, account)| {
        let each = heap.caches.iter().zip(&account.caches);
        each.map(|(cache, resident)| Held {
            thread: cache.tid,
            parked: cache.parked,
            count: cache.count,
            bytes: cache.bytes,
            resident: *resident,
        })
    });
    let arenas = heaps.iter().flat_map(|heap| &heap.arenas);
    let used = arenas.clone().filter(|a| a.top != 0);
    Facts {
        caches: caches.collect(),
        arenas: used.clone().count() as u64,
        top_used: used.map(|a| a.fresh.saturating_sub(a.top)).sum(),
        settings: heaps.first().map(|h| h.settings).unwrap_or_default(),
        releases: heaps
            .iter()
            .map(|h| {
                let release = h.instance.descriptor.release.map(|part| part.to_string());
                (release.join("."), h.instance.object.clone())
            })
            .collect(),
        pins: pins::gather(scene, &accounts),
        sites: Vec::new(),
        own: arenas.filter_map(own_heap).collect(),
        accounts,
        rest,
    }
}

fn own_heap(arena: &Arena) -> Option<OwnHeap> {
    let own = arena.own.as_ref()?;
    (arena.top != 0 || own.mapped.0 != 0).then(|| OwnHeap {
        name: own.name.clone(),
        system: arena.system,
        mapped: own.mapped.1,
        limit: Some(own.limit).filter(|limit| *limit != 0),
    })
}

fn mappings(facts: &Facts) -> Vec<Mapping> {
    let of = |map: &Ours| Mapping {
        from: map.from,
        bytes: map.to - map.from,
        resident: map.resident,
    };
    facts.rest.ours.iter().map(of).collect()
}

fn json<'a>(
    facts: &'a Facts,
    subject: &'a Subject,
    lines: &'a [Line],
    verdict: &'a [String],
) -> Page<'a> {
    let s = &facts.settings;
    Page {
        pid: subject.pid,
        command: &subject.command,
        cairn: &facts.releases,
        stood_still_seconds: subject.stood.map(|time| time.as_secs_f64()),
        residency_known: facts.known(),
        resident: facts.resident(subject),
        explained: facts.explained(),
        unexplained: facts.resident(subject).abs_diff(facts.explained()),
        in_huge_pages: facts.rest.huge,
        swapped: facts.rest.swap,
        dropped: facts.sum(|a| a.torn),
        report_is_whole: subject.report.as_ref().map(|report| report.whole),
        lines,
        caches: &facts.caches,
        own_heaps: &facts.own,
        largest_elsewhere: &facts.rest.named,
        mappings: mappings(facts),
        trim: Trim {
            at_once: facts.sum(|a| a.trim),
            with_all_caches: facts.sum(|a| a.trim_later),
        },
        pinned: Pinned {
            beside_live: facts.sum(|a| a.beside),
            sparse_pages: facts.sum(|a| a.sparse.pages),
            free_on_sparse_pages: facts.sum(|a| a.sparse.free),
            objects_by_size: verdict::pinning(facts),
            sites: &facts.sites,
        },
        knobs: Knobs {
            mmap_threshold: s.mmap_threshold,
            trim_threshold: s.trim_threshold,
            top_pad: s.top_pad,
            mmap_max: s.mmap_max,
            thresholds_set_by_hand: s.fixed,
            arena_max: s.arena_max,
            purge_delay_ms: s.purge_delay,
            huge_from: s.huge_from,
            check: s.check,
            run_max: s.run_max,
            cache_max: s.cache_max,
        },
        verdict,
    }
}
