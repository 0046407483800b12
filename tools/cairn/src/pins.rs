//! Which code asked for the objects that keep pages which are free otherwise, as far as they are samples.

use crate::look::{Scene, Subject};
use crate::profile::taken;
use cairn_profile::symbols::{Symbols, own_frames};
use cairn_profile::table;
use cairn_reader::account::Account;
use cairn_reader::samples::Samples;
use serde::Serialize;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Functions of a site that are shown.
const SHOWN: usize = 4;
/// Sites that are shown.
const SITES: usize = 5;

/// What an instance's samples say, before its functions have names.
pub(crate) struct Pins {
    samples: Samples,
    /// Of each site the free bytes that its objects keep, estimated, and those objects.
    held: HashMap<usize, [f64; 2]>,
    program: PathBuf,
}

/// A site, and what its objects keep.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Site {
    /// Free bytes on pages that its objects keep, estimated.
    pub(crate) pinned: u64,
    /// How many objects do so, estimated.
    pub(crate) objects: u64,
    /// Its functions, innermost first, each with file and line where they are known.
    pub(crate) functions: Vec<String>,
}

/// Sums up by site what the accounts say of samples.
pub(crate) fn gather(scene: &Scene<'_>, accounts: &[Account]) -> Vec<Pins> {
    let of = |(heap, account): (&cairn_reader::Heap, &Account)| {
        if account.sparse.sampled.is_empty() {
            return None;
        }
        let samples = Samples::read(scene.target, &heap.instance);
        let mut held: HashMap<usize, [f64; 2]> = HashMap::new();
        for sample in &samples.live {
            if let Some(bytes) = account.sparse.sampled.get(&sample.at) {
                let sum = held.entry(sample.site).or_default();
                sum[0] += bytes * sample.weight;
                sum[1] += sample.weight;
            }
        }
        let program = taken::program(scene.target, &samples);
        Some(Pins {
            samples,
            held,
            program,
        })
    };
    scene.heaps.iter().zip(accounts).filter_map(of).collect()
}

/// The sites with names, those that keep most first. Not while the process stands still: names take time.
pub(crate) fn sites(pins: &[Pins], subject: &Subject) -> Vec<Site> {
    let mut all: HashMap<Vec<String>, [f64; 2]> = HashMap::new();
    for pin in pins {
        let symbols = match subject.pid {
            Some(pid) => Symbols::of(pid),
            None => Symbols::of_file(pin.program.clone()),
        };
        for (site, sum) in &pin.held {
            let Some(site) = pin.samples.sites.get(*site) else {
                continue;
            };
            let lines = (site.frames.iter()).map(|f| symbols.lines(&pin.samples.modules, *f));
            let lines: Vec<_> = lines.collect();
            let own = own_frames(&pin.samples.modules, &site.frames, &lines);
            let functions = lines.iter().skip(own).flatten().map(table::place);
            let into = all.entry(functions.collect()).or_default();
            into[0] += sum[0];
            into[1] += sum[1];
        }
    }
    let site = |(functions, sum): (Vec<String>, [f64; 2])| Site {
        pinned: sum[0].round() as u64,
        objects: sum[1].round() as u64,
        functions,
    };
    let mut sites: Vec<_> = all.into_iter().map(site).collect();
    sites.sort_by(|a, b| (b.pinned, &a.functions).cmp(&(a.pinned, &b.functions)));
    sites
}

/// As text, a paragraph of its own; nothing where there are none.
pub(crate) fn text(sites: &[Site]) -> String {
    let mut text = String::new();
    if sites.is_empty() {
        return text;
    }
    text.push_str("\nWho asked for the objects that keep nearly free pages, by samples:\n");
    for site in sites.iter().take(SITES) {
        let _ = writeln!(
            text,
            "  {:>10}  {} objects",
            table::bytes(site.pinned as f64),
            crate::look::number(site.objects)
        );
        for function in site.functions.iter().take(SHOWN) {
            let _ = writeln!(text, "              {function}");
        }
        if site.functions.len() > SHOWN {
            let _ = writeln!(
                text,
                "              … {} more",
                site.functions.len() - SHOWN
            );
        }
    }
    let rest: u64 = sites.iter().skip(SITES).map(|site| site.pinned).sum();
    if rest != 0 {
        let _ = writeln!(text, "  {:>10}  at other sites", table::bytes(rest as f64));
    }
    text
}
