//! The file that Go's pprof reads: a message of protocol buffers, compressed by gzip (`profile.proto`
//! of google/pprof). Field numbers are that file's.

use crate::symbols::Line;
use crate::{Kind, Profile};
use cairn_reader::samples::Frame;
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use std::collections::HashMap;
use std::io::{self, Write};

/// What each sample's values are, in their order.
pub const TYPES: [(&str, &str); 7] = [
    ("alloc_objects", "count"),
    ("alloc_space", "bytes"),
    ("inuse_objects", "count"),
    ("inuse_space", "bytes"),
    ("resident_space", "bytes"),
    ("peak_objects", "count"),
    ("peak_space", "bytes"),
];

/// A kind of value, by the numbers of two strings.
#[derive(Clone, PartialEq, Message)]
pub struct ValueType {
    /// What is counted.
    #[prost(int64, tag = "1")]
    pub kind: i64,
    /// In which unit.
    #[prost(int64, tag = "2")]
    pub unit: i64,
}

/// A stack and its values.
#[derive(Clone, PartialEq, Message)]
pub struct Sample {
    /// Locations, innermost first.
    #[prost(uint64, repeated, tag = "1")]
    pub location: Vec<u64>,
    /// One value a type.
    #[prost(int64, repeated, tag = "2")]
    pub value: Vec<i64>,
}

/// What is mapped of a file.
#[derive(Clone, PartialEq, Message)]
pub struct Mapping {
    /// Its number, from 1 on.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// First byte.
    #[prost(uint64, tag = "2")]
    pub start: u64,
    /// One past the last.
    #[prost(uint64, tag = "3")]
    pub limit: u64,
    /// Where in the file it begins.
    #[prost(uint64, tag = "4")]
    pub offset: u64,
    /// Its path, a string.
    #[prost(int64, tag = "5")]
    pub filename: i64,
    /// Its build id, a string.
    #[prost(int64, tag = "6")]
    pub build_id: i64,
    /// Functions are named.
    #[prost(bool, tag = "7")]
    pub has_functions: bool,
}

/// An address.
#[derive(Clone, PartialEq, Message)]
pub struct Location {
    /// Its number, from 1 on.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// Its mapping, 0 for none.
    #[prost(uint64, tag = "2")]
    pub mapping: u64,
    /// The address.
    #[prost(uint64, tag = "3")]
    pub address: u64,
    /// Its functions, innermost first.
    #[prost(message, repeated, tag = "4")]
    pub line: Vec<LineOf>,
}

/// A line of a function.
#[derive(Clone, PartialEq, Message)]
pub struct LineOf {
    /// The function.
    #[prost(uint64, tag = "1")]
    pub function: u64,
    /// The line.
    #[prost(int64, tag = "2")]
    pub line: i64,
}

/// A function.
#[derive(Clone, PartialEq, Message)]
pub struct Function {
    /// Its number, from 1 on.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// Its name, a string.
    #[prost(int64, tag = "2")]
    pub name: i64,
    /// The same as the linker knows it.
    #[prost(int64, tag = "3")]
    pub system_name: i64,
    /// Its file, a string.
    #[prost(int64, tag = "4")]
    pub filename: i64,
}

/// The message.
#[derive(Clone, PartialEq, Message)]
pub struct File {
    /// What the values are.
    #[prost(message, repeated, tag = "1")]
    pub sample_type: Vec<ValueType>,
    /// Stacks.
    #[prost(message, repeated, tag = "2")]
    pub sample: Vec<Sample>,
    /// Mappings.
    #[prost(message, repeated, tag = "3")]
    pub mapping: Vec<Mapping>,
    /// Addresses.
    #[prost(message, repeated, tag = "4")]
    pub location: Vec<Location>,
    /// Functions.
    #[prost(message, repeated, tag = "5")]
    pub function: Vec<Function>,
    /// Strings, the first of which is empty.
    #[prost(string, repeated, tag = "6")]
    pub string_table: Vec<String>,
    /// When it was taken, nanoseconds since 1970.
    #[prost(int64, tag = "9")]
    pub time_nanos: i64,
    /// How long was sampled, nanoseconds.
    #[prost(int64, tag = "10")]
    pub duration_nanos: i64,
    /// What the interval is of.
    #[prost(message, optional, tag = "11")]
    pub period_type: Option<ValueType>,
    /// The interval.
    #[prost(int64, tag = "12")]
    pub period: i64,
    /// The type that is shown unasked, a string.
    #[prost(int64, tag = "14")]
    pub default_sample_type: i64,
}

/// Numbers of things that are named once.
struct Numbers<K> {
    known: HashMap<K, usize>,
}

impl<K> Default for Numbers<K> {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
        }
    }
}

impl<K: std::hash::Hash + Eq> Numbers<K> {
    /// The number of a thing, from 0 on, and whether it is new.
    fn of(&mut self, key: K) -> (usize, bool) {
        let next = self.known.len();
        let number = *self.known.entry(key).or_insert(next);
        (number, number == next)
    }
}

#[derive(Default)]
struct Writer {
    file: File,
    strings: Numbers<String>,
    functions: Numbers<(String, String)>,
    locations: Numbers<Frame>,
}

fn whole(value: f64) -> i64 {
    value.round() as i64
}

impl Writer {
    fn string(&mut self, text: &str) -> i64 {
        let (number, new) = self.strings.of(text.to_owned());
        if new {
            self.file.string_table.push(text.to_owned());
        }
        i64::try_from(number).unwrap_or(0)
    }

    fn kind(&mut self, (kind, unit): (&str, &str)) -> ValueType {
        ValueType {
            kind: self.string(kind),
            unit: self.string(unit),
        }
    }

    fn line(&mut self, line: &Line) -> LineOf {
        let key = (line.function.clone(), line.file.clone());
        let (number, new) = self.functions.of(key);
        let id = number as u64 + 1;
        if new {
            let name = self.string(&line.function);
            let filename = self.string(&line.file);
            self.file.function.push(Function {
                id,
                name,
                system_name: name,
                filename,
            });
        }
        LineOf {
            function: id,
            line: i64::from(line.line),
        }
    }

    fn location(&mut self, frame: Frame, lines: &[Line]) -> u64 {
        let (number, new) = self.locations.of(frame);
        let id = number as u64 + 1;
        if new {
            let line = lines.iter().map(|line| self.line(line)).collect();
            self.file.location.push(Location {
                id,
                mapping: frame.module.map_or(0, |m| m as u64 + 1),
                address: frame.pc.saturating_sub(1),
                line,
            });
        }
        id
    }
}

/// The type of a kind of figures, in bytes.
#[must_use]
pub fn space(kind: Kind) -> &'static str {
    match kind {
        Kind::InUse => "inuse_space",
        Kind::Allocated => "alloc_space",
        Kind::Peak => "peak_space",
    }
}

/// The message of a profile, with the figures that a reader shows unasked.
#[must_use]
pub fn file(profile: &Profile, shown: Kind) -> File {
    let mut writer = Writer::default();
    writer.string("");
    for kind in TYPES {
        let kind = writer.kind(kind);
        writer.file.sample_type.push(kind);
    }
    for (i, (module, id)) in profile.modules.iter().zip(&profile.build_ids).enumerate() {
        let name = if module.path.is_empty() {
            &profile.command
        } else {
            &module.path
        };
        let mapping = Mapping {
            id: i as u64 + 1,
            start: module.start,
            limit: module.end,
            offset: 0,
            filename: writer.string(name),
            build_id: writer.string(id),
            has_functions: true,
        };
        writer.file.mapping.push(mapping);
    }
    for site in &profile.sites {
        let values = [
            site.allocated[0],
            site.allocated[1],
            site.in_use[0],
            site.in_use[1],
            site.resident,
            site.peak[0],
            site.peak[1],
        ];
        if values.iter().all(|value| whole(*value) == 0) {
            continue;
        }
        let location = (site.frames.iter().zip(&site.lines))
            .map(|(frame, lines)| writer.location(*frame, lines))
            .collect();
        writer.file.sample.push(Sample {
            location,
            value: values.map(whole).to_vec(),
        });
    }
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = since.map_or(0, |t| i64::try_from(t.as_nanos()).unwrap_or(0));
    writer.file.time_nanos = nanos;
    let lasted = i64::try_from(profile.lasted).unwrap_or(0);
    writer.file.duration_nanos = lasted.saturating_mul(1_000_000);
    writer.file.period_type = Some(writer.kind(("space", "bytes")));
    writer.file.period = i64::try_from(profile.interval).unwrap_or(0);
    writer.file.default_sample_type = writer.string(space(shown));
    writer.file
}

/// Writes a profile, compressed, with the figures that a reader shows unasked.
///
/// # Errors
/// `to` takes no more.
pub fn write(profile: &Profile, shown: Kind, to: impl Write) -> io::Result<()> {
    write_file(&file(profile, shown), to)
}

/// Writes a message, compressed.
///
/// # Errors
/// `to` takes no more.
pub fn write_file(file: &File, to: impl Write) -> io::Result<()> {
    let mut to = GzEncoder::new(to, Compression::default());
    to.write_all(&file.encode_to_vec())?;
    to.finish()?.flush()
}
