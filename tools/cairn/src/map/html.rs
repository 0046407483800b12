//! The picture as a page for a browser: one file that needs nothing else.

use super::Picture;
use super::cells::{Cell, merged};
use super::detail::Shown;
use crate::look::Subject;
use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// The page without its data.
const PAGE: &str = include_str!("page.html");
/// What the data takes the place of.
const PLACE: &str = "/*DATA*/null";
/// Cells that are put in at most, five bytes each: above, several pages become one.
const CELLS: usize = 640 << 10;

#[derive(Serialize)]
struct Data<'a> {
    title: String,
    how: String,
    cairn: &'static str,
    page: u64,
    /// Pages of a cell.
    unit: usize,
    known: bool,
    regions: u64,
    sections: Vec<Section<'a>>,
    details: Vec<Detail<'a>>,
    /// Logarithm of the size, stretches, their bytes.
    holes: Vec<(u32, u64, u64)>,
    /// Bytes, and resident ones, of each kind.
    kinds: Vec<(u64, u64)>,
    /// Who asked for what keeps nearly free pages: bytes, objects, functions.
    pins: Vec<(u64, u64, &'a [String])>,
}

#[derive(Serialize)]
struct Section<'a> {
    name: &'a str,
    base: String,
    bytes: u64,
    cells: String,
}

#[derive(Serialize)]
struct Detail<'a> {
    base: String,
    reason: &'a str,
    pieces: Vec<Piece>,
}

/// From the region's beginning, bytes, kind, thread, size word, the word in front.
#[derive(Serialize)]
struct Piece(i64, u64, u8, i32, i64, String);

fn bytes(cells: &[Cell]) -> Vec<u8> {
    let of = |c: &Cell| [c.resident, c.live, c.held, c.free, c.more];
    cells.iter().flat_map(of).collect()
}

fn piece(shown: &Shown, base: u64) -> Piece {
    let p = &shown.piece;
    Piece(
        p.from.wrapping_sub(base).cast_signed(),
        p.bytes(),
        p.what as u8,
        shown.thread.unwrap_or(0),
        shown.header.map_or(-1, |h| i64::from(h.0)),
        shown.header.map_or(String::new(), |h| format!("{:x}", h.1)),
    )
}

/// The page.
///
/// # Errors
/// The data cannot be written as JSON: it has no such.
pub(super) fn page(picture: &Picture, subject: &Subject) -> Result<String> {
    let all: usize = picture.sections.iter().map(|s| s.cells.len()).sum();
    let unit = all.div_ceil(CELLS).next_power_of_two();
    let section = |s: &'_ super::Section| {
        let cells: Vec<Cell> = match unit {
            1 => s.cells.clone(),
            _ => s.cells.chunks(unit).map(merged).collect(),
        };
        (
            s.cells.len() as u64 * picture.page,
            STANDARD.encode(bytes(&cells)),
        )
    };
    let sections = picture.sections.iter().map(|s| {
        let (bytes, cells) = section(s);
        Section {
            name: &s.name,
            base: format!("{:x}", s.base),
            bytes,
            cells,
        }
    });
    let details = picture.details.iter().map(|d| Detail {
        base: format!("{:x}", d.base),
        reason: &d.reason,
        pieces: d.pieces.iter().map(|p| piece(p, d.base)).collect(),
    });
    let kinds = (0..cairn_reader::walk::WHATS).map(|i| {
        let sums = picture.accounts.iter().filter_map(|a| a.whats.get(i));
        sums.fold((0, 0), |(b, r), s| (b + s.bytes, r + s.resident))
    });
    let data = Data {
        title: subject.title(),
        how: subject.how(),
        cairn: env!("CARGO_PKG_VERSION"),
        page: picture.page,
        unit,
        known: picture.is_known(),
        regions: picture.regions,
        sections: sections.collect(),
        details: details.collect(),
        holes: picture
            .holes()
            .into_iter()
            .map(|(l, (c, b))| (l, c, b))
            .collect(),
        kinds: kinds.collect(),
        pins: (picture.sites.iter())
            .map(|s| (s.pinned, s.objects, &*s.functions))
            .collect(),
    };
    // Nothing in a string may end the script.
    let json = serde_json::to_string(&data)?.replace('<', "\\u003c");
    Ok(PAGE.replacen(PLACE, &json, 1))
}
