//! `cairn map`: the heap as a picture, in one file for a browser or as text.

mod cells;
mod detail;
mod html;
mod terminal;

use crate::look;
use crate::pins::{self, Pins};
use anyhow::{Context, Result, bail};
use cairn_reader::account::{Account, Histogram};
use cells::Section;
use clap::Args;
use detail::Detail;
use std::fs;
use std::path::PathBuf;

/// Shows the heap as a picture: what lies where, and what of it is resident.
#[derive(Args)]
#[command(after_help = "\
Example:
  cairn map $(pidof redis-server) -o heap.html
  cairn map core.1234 -o heap.html --detail 0x7f21c0a0
  cairn map 1234

The file needs nothing but a browser. Without -o the picture is text.")]
pub(crate) struct Arguments {
    /// Number of a process, or path of a core file or of a report
    #[arg(value_name = "PID|FILE", allow_negative_numbers = true)]
    target: String,
    /// Write a page for a browser
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Put every object and chunk around an address in
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    detail: Vec<u64>,
    /// Do not stop the process: parts of the picture are of different moments
    #[arg(long)]
    running: bool,
}

pub(crate) fn address(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("{text} is no address: 0x and hexadecimal digits, or decimal ones"))
}

/// Everything that the picture shows.
pub(crate) struct Picture {
    sections: Vec<Section>,
    details: Vec<Detail>,
    /// Regions of all heaps.
    regions: u64,
    /// Addresses that were asked for and lie in no heap.
    lost: Vec<u64>,
    accounts: Vec<Account>,
    page: u64,
    pins: Vec<Pins>,
    /// Who asked for what keeps nearly free pages.
    sites: Vec<pins::Site>,
}

impl Picture {
    /// Free stretches of all instances by size.
    fn holes(&self) -> Histogram {
        let mut all = Histogram::new();
        for (log, (count, bytes)) in self.accounts.iter().flat_map(|a| &a.holes) {
            let sum = all.entry(*log).or_default();
            sum.0 += count;
            sum.1 += bytes;
        }
        all
    }

    /// Whether residency was known.
    fn is_known(&self) -> bool {
        self.accounts.iter().all(|a| a.known)
    }
}

/// Draws the picture.
///
/// # Errors
/// The process or file cannot be looked at, an address is not the heap's, or the page cannot be
/// written.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let pid = arguments.target.parse().ok();
    let (subject, mut picture) = look::look(&arguments.target, arguments.running, |scene| {
        gather(scene, pid, &arguments.detail)
    })?;
    if let Some(lost) = picture.lost.first() {
        bail!(
            "{lost:#x} lies in none of the heaps: `cairn map {}` shows where they are",
            arguments.target
        );
    }
    picture.sites = pins::sites(&picture.pins, &subject);
    match &arguments.output {
        None => crate::print(&terminal::text(&picture, &subject)),
        Some(path) => {
            let page = html::page(&picture, &subject)?;
            fs::write(path, page).with_context(|| format!("cannot write {}", path.display()))
        }
    }
}

/// The lines of the text picture that show the heap, or what else, around an address.
pub(crate) fn strip(scene: &look::Scene<'_>, at: u64) -> Option<String> {
    scene.heaps.iter().find_map(|heap| {
        let (sections, _) = cells::gather(scene.target, heap, "");
        terminal::strip(&sections, scene.target.page(), at)
    })
}

fn gather(scene: &look::Scene<'_>, pid: Option<i32>, asked: &[u64]) -> Picture {
    let (accounts, _) = look::accounts(scene, pid);
    let mut sections = Vec::new();
    let mut details = Vec::new();
    let mut lost = asked.to_vec();
    let mut regions = 0;
    for (i, heap) in scene.heaps.iter().enumerate() {
        let name = match scene.heaps.len() {
            1 => String::new(),
            _ => format!("{}: ", i + 1),
        };
        let (cells, slots) = cells::gather(scene.target, heap, &name);
        sections.extend(cells);
        let wanted = detail::choose(heap, &slots, asked);
        lost.retain(|p| !wanted.iter().any(|w| w.holds(*p)));
        details.extend(detail::gather(scene.target, heap, wanted));
        let stretches = heap.arenas.iter().flat_map(|a| &a.heaps);
        regions += stretches.map(|h| (h.end - h.base) >> 16).sum::<u64>();
    }
    Picture {
        sections,
        details,
        regions,
        lost,
        pins: pins::gather(scene, &accounts),
        sites: Vec::new(),
        accounts,
        page: scene.target.page(),
    }
}
