//! A flame graph: one SVG, which a browser shows and searches.

use crate::{Kind, Profile, Site};
use anyhow::{Result, bail};
use inferno::flamegraph::{self, Options};
use std::io::Write;

/// A site as a line of folded stacks: functions from the outermost on, and bytes.
fn folded(site: &Site, bytes: f64) -> Option<String> {
    let bytes = bytes.round();
    if bytes < 1.0 {
        return None;
    }
    let names: Vec<_> = site
        .functions()
        .map(|l| l.function.replace(';', ":"))
        .collect();
    let stack: Vec<&str> = names.iter().rev().map(String::as_str).collect();
    Some(format!("{} {bytes:.0}", stack.join(";")))
}

/// Writes the graph of a kind of figures, by bytes.
///
/// # Errors
/// There is nothing to show, or `to` takes no more.
pub fn write(profile: &Profile, kind: Kind, to: impl Write) -> Result<()> {
    let lines: Vec<_> = (profile.sites.iter())
        .filter_map(|site| folded(site, site.sum(kind)[1]))
        .collect();
    if lines.is_empty() {
        bail!("there are no samples yet, so there is nothing to draw");
    }
    let mut options = Options::default();
    let what = match kind {
        Kind::InUse => "in use",
        Kind::Allocated => "allocated",
        Kind::Peak => "in use at the peak",
    };
    options.title = format!("{}: bytes {what}", profile.command);
    "bytes".clone_into(&mut options.count_name);
    options.min_width = 0.1;
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), to)?;
    Ok(())
}
