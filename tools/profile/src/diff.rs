//! What one pprof file has more, or less, than another. Stacks are the same where their functions are:
//! addresses differ from process to process, and lines from build to build.

use crate::pprof::{File, Function, LineOf, Location, Mapping, Sample};
use crate::table::bytes;
use anyhow::{Context, Result, bail};
use flate2::read::MultiGzDecoder;
use prost::Message;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

/// Bytes of a file, unpacked, at most.
const MOST: u64 = 1 << 30;
/// Functions of a stack that are shown.
const SHOWN: usize = 6;

/// Reads a file, compressed or not.
///
/// # Errors
/// It cannot be read, or is none.
pub fn read(path: &Path) -> Result<File> {
    let shown = path.display();
    let packed = std::fs::read(path).with_context(|| format!("{shown}"))?;
    let mut unpacked = Vec::new();
    if packed.starts_with(&[0x1f, 0x8b]) {
        let mut from = MultiGzDecoder::new(&*packed).take(MOST);
        (from.read_to_end(&mut unpacked)).with_context(|| format!("{shown}: damaged"))?;
    } else {
        unpacked = packed;
    }
    let file = File::decode(&*unpacked)
        .ok()
        .filter(|f| !f.sample_type.is_empty());
    file.with_context(|| {
        format!("{shown}: this is no pprof file, as `cairn profile -o` writes one")
    })
}

/// A string of a file.
fn string(file: &File, number: i64) -> &str {
    let at = usize::try_from(number).ok();
    at.and_then(|at| file.string_table.get(at))
        .map_or("", String::as_str)
}

/// Which of a sample's values is of a type.
fn index(file: &File, kind: &str) -> Option<usize> {
    file.sample_type
        .iter()
        .position(|t| string(file, t.kind) == kind)
}

/// A function as a stack is compared by, and as it is shown.
#[derive(Clone, Debug)]
struct Named {
    name: String,
    shown: String,
}

/// The stacks of a file: functions, innermost first.
struct Stacks<'a> {
    file: &'a File,
    locations: HashMap<u64, Vec<Named>>,
}

impl<'a> Stacks<'a> {
    fn of(file: &'a File) -> Self {
        let functions: HashMap<u64, &Function> = file.function.iter().map(|f| (f.id, f)).collect();
        let named = |line: &LineOf| {
            let function = functions.get(&line.function);
            let name = function.map_or("", |f| string(file, f.name)).to_owned();
            let path = function.map_or("", |f| string(file, f.filename));
            let short = path.rsplit('/').next().unwrap_or_default();
            let shown = match (short, line.line) {
                ("", _) => name.clone(),
                (short, 0) => format!("{name} ({short})"),
                (short, n) => format!("{name} ({short}:{n})"),
            };
            Named { name, shown }
        };
        let lines = |l: &Location| match l.line.is_empty() {
            false => l.line.iter().map(named).collect(),
            true => {
                let name = format!("{:#x}", l.address);
                vec![Named {
                    shown: name.clone(),
                    name,
                }]
            }
        };
        Self {
            file,
            locations: file.location.iter().map(|l| (l.id, lines(l))).collect(),
        }
    }

    fn stack(&self, sample: &Sample) -> Vec<Named> {
        let all = sample.location.iter().filter_map(|l| self.locations.get(l));
        all.flatten().cloned().collect()
    }
}

/// A stack of two files.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its functions as they are shown, innermost first.
    pub functions: Vec<String>,
    /// Objects and bytes of the one and of the other.
    pub sums: [[i64; 2]; 2],
}

impl Change {
    /// By how many bytes it grew.
    #[must_use]
    pub fn growth(&self) -> i64 {
        self.sums[1][1].saturating_sub(self.sums[0][1])
    }
}

/// What is compared: `inuse`, `alloc` or `peak`.
///
/// # Errors
/// One of them has no such figures.
pub fn changes(a: &File, b: &File, kind: &str) -> Result<Vec<Change>> {
    let mut all: HashMap<Vec<String>, Change> = HashMap::new();
    for (i, file) in [a, b].into_iter().enumerate() {
        let space = format!("{kind}_space");
        let Some(space) = index(file, &space) else {
            let has: Vec<_> = file
                .sample_type
                .iter()
                .map(|t| string(file, t.kind))
                .collect();
            let which = ["first", "second"][i];
            bail!("the {which} file has no {space}, but {}", has.join(", "));
        };
        let objects = index(file, &format!("{kind}_objects"));
        let stacks = Stacks::of(file);
        for sample in &stacks.file.sample {
            let value = |at: usize| sample.value.get(at).copied().unwrap_or(0);
            let stack = stacks.stack(sample);
            let key = stack.iter().map(|n| n.name.clone()).collect();
            let change = all.entry(key).or_insert_with(|| Change {
                functions: Vec::new(),
                sums: [[0; 2]; 2],
            });
            // The later file's lines are the ones to look up.
            change.functions = stack.into_iter().map(|n| n.shown).collect();
            let sum = &mut change.sums[i];
            sum[0] = sum[0].saturating_add(objects.map_or(0, value));
            sum[1] = sum[1].saturating_add(value(space));
        }
    }
    let mut all: Vec<_> = all.into_values().filter(|c| c.growth() != 0).collect();
    all.sort_by(|a, b| (b.growth(), &a.functions).cmp(&(a.growth(), &b.functions)));
    Ok(all)
}

fn signed(n: i64) -> String {
    format!("{}{}", if n < 0 { "" } else { "+" }, bytes(n as f64))
}

/// The changes as text: `count` that grew most, then as many that shrank most.
#[must_use]
pub fn text(changes: &[Change], total: [i64; 2], count: usize) -> String {
    let size = |n: i64| bytes(n as f64);
    let mut text = format!(
        "{}, {} before and {} after, by stacks with the same functions\n",
        signed(total[1].saturating_sub(total[0])),
        size(total[0]),
        size(total[1])
    );
    let grown = changes.iter().filter(|c| c.growth() > 0).take(count);
    let shrunk = changes.iter().rev().filter(|c| c.growth() < 0).take(count);
    for change in grown.chain(shrunk) {
        let [before, after] = change.sums;
        let _ = writeln!(
            text,
            "\n{:>10}  {} before, {} after, {:+} objects",
            signed(change.growth()),
            size(before[1]),
            size(after[1]),
            after[0].saturating_sub(before[0]),
        );
        for function in change.functions.iter().take(SHOWN) {
            let _ = writeln!(text, "{:12}{function}", "");
        }
        if change.functions.len() > SHOWN {
            let _ = writeln!(text, "{:12}… {} more", "", change.functions.len() - SHOWN);
        }
    }
    text
}

/// The sum of a file's bytes of a kind.
#[must_use]
pub fn total(file: &File, kind: &str) -> i64 {
    let at = index(file, &format!("{kind}_space"));
    let value = |s: &Sample| at.and_then(|at| s.value.get(at).copied()).unwrap_or(0);
    (file.sample.iter()).fold(0, |sum, s| i64::saturating_add(sum, value(s)))
}

/// Numbers of one file's things in another one's.
struct Moved<'a> {
    from: &'a File,
    to: File,
    strings: HashMap<String, i64>,
}

impl Moved<'_> {
    fn string(&mut self, number: i64) -> i64 {
        let text = string(self.from, number);
        if let Some(known) = self.strings.get(text) {
            return *known;
        }
        let next = i64::try_from(self.to.string_table.len()).unwrap_or(0);
        self.to.string_table.push(text.to_owned());
        self.strings.insert(text.to_owned(), next);
        next
    }
}

/// One file: what `b` has, and what `a` has as negative values, as pprof's own differences are.
#[must_use]
pub fn merged(a: &File, b: &File) -> File {
    let strings = (b.string_table.iter().enumerate())
        .map(|(i, s)| (s.clone(), i64::try_from(i).unwrap_or(0)))
        .collect();
    let mut moved = Moved {
        from: a,
        to: b.clone(),
        strings,
    };
    let most = |ids: &mut dyn Iterator<Item = u64>| ids.max().unwrap_or(0);
    let mappings = most(&mut b.mapping.iter().map(|m| m.id));
    let functions = most(&mut b.function.iter().map(|f| f.id));
    let locations = most(&mut b.location.iter().map(|l| l.id));
    let behind = |id: u64, last: u64| if id == 0 { 0 } else { id.saturating_add(last) };
    for m in &a.mapping {
        let mapping = Mapping {
            id: behind(m.id, mappings),
            filename: moved.string(m.filename),
            build_id: moved.string(m.build_id),
            ..m.clone()
        };
        moved.to.mapping.push(mapping);
    }
    for f in &a.function {
        let function = Function {
            id: behind(f.id, functions),
            name: moved.string(f.name),
            system_name: moved.string(f.system_name),
            filename: moved.string(f.filename),
        };
        moved.to.function.push(function);
    }
    for l in &a.location {
        let line = |line: &LineOf| LineOf {
            function: behind(line.function, functions),
            line: line.line,
        };
        moved.to.location.push(Location {
            id: behind(l.id, locations),
            mapping: behind(l.mapping, mappings),
            address: l.address,
            line: l.line.iter().map(line).collect(),
        });
    }
    // Types may stand in another order, or be missing.
    let places: Vec<_> = (b.sample_type.iter())
        .map(|t| index(a, string(b, t.kind)))
        .collect();
    for s in &a.sample {
        let value = |at: &Option<usize>| {
            at.and_then(|at| s.value.get(at))
                .map_or(0, |v| v.saturating_neg())
        };
        moved.to.sample.push(Sample {
            location: s.location.iter().map(|l| behind(*l, locations)).collect(),
            value: places.iter().map(value).collect(),
        });
    }
    moved.to
}
