//! The sites that hold or asked for most, as text.

use crate::symbols::Line;
use crate::{Kind, Profile, Site};
use std::fmt::Write as _;

/// Functions of a site that are shown.
const SHOWN: usize = 6;

/// Bytes in a unit that leaves few digits.
///
/// ```
/// assert_eq!(cairn_profile::table::bytes(1536.0), "1.5 KiB");
/// ```
#[must_use]
pub fn bytes(n: f64) -> String {
    let mut value = n;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if value.abs() < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" {
        format!("{value:.0} B")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// A function, with its file and line where they are known.
#[must_use]
pub fn place(line: &Line) -> String {
    let file = line.file.rsplit('/').next().unwrap_or_default();
    match (file, line.line) {
        ("", _) => line.function.clone(),
        (file, 0) => format!("{} ({file})", line.function),
        (file, n) => format!("{} ({file}:{n})", line.function),
    }
}

/// The functions of a site, one a line, indented.
#[must_use]
pub fn stack(site: &Site, indent: usize) -> String {
    let mut text = String::new();
    let all: Vec<_> = site.functions().collect();
    for line in all.iter().take(SHOWN) {
        let _ = writeln!(text, "{:indent$}{}", "", place(line));
    }
    if all.len() > SHOWN {
        let _ = writeln!(text, "{:indent$}… {} more", "", all.len() - SHOWN);
    }
    text
}

/// The first `count` sites by bytes of a kind, with what all have.
#[must_use]
pub fn text(profile: &Profile, kind: Kind, count: usize) -> String {
    text_with(profile, kind, count, |_, _| String::new())
}

/// The same, with more under each site; `under` is told by how much that is indented.
#[must_use]
pub fn text_with(
    profile: &Profile,
    kind: Kind,
    count: usize,
    under: impl Fn(&Site, usize) -> String,
) -> String {
    let total = profile.total(kind);
    let what = match kind {
        Kind::InUse => "in use",
        Kind::Allocated => "allocated",
        Kind::Peak => "in use at the peak",
    };
    let mut text = format!(
        "{} {what} in {:.0} objects, by samples of {} of {} sites",
        bytes(total[1]),
        total[0],
        profile
            .sites
            .iter()
            .map(|s| u64::from(s.samples[0]))
            .sum::<u64>(),
        profile.sites.len(),
    );
    let _ = writeln!(
        text,
        "; one for {} in the mean",
        bytes(profile.interval as f64)
    );
    if profile.dropped != 0 {
        let _ = writeln!(
            text,
            "{} samples were dropped: the table was full",
            profile.dropped
        );
    }
    let mut sites: Vec<_> = profile
        .sites
        .iter()
        .filter(|s| s.sum(kind)[1] > 0.0)
        .collect();
    sites.sort_by(|a, b| b.sum(kind)[1].total_cmp(&a.sum(kind)[1]));
    for site in sites.iter().take(count) {
        let [objects, size] = site.sum(kind);
        let part = 100.0 * size / total[1].max(1.0);
        let _ = writeln!(
            text,
            "\n{:>10}  {part:>5.1} %  {objects:.0} objects",
            bytes(size)
        );
        text.push_str(&stack(site, 12));
        text.push_str(&under(site, 12));
    }
    text
}
