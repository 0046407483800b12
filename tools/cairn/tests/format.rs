//! The file that `cairn profile` writes, read by pprof's own description of the form and nothing of ours:
//! `profile.proto` as Google publishes it says which field is what, and the bytes are taken apart by it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod seen;

use flate2::read::GzDecoder;
use seen::{Seen, cairn, common};
use std::collections::HashMap;
use std::fs;
use std::io::Read;

/// `proto/profile.proto` of `google/pprof`, by way of the crate `pprof` 0.15, in which `type` is `ty`.
const PROTO: &str = include_str!("profile.proto");

/// Of a message its fields by number: name, type, and whether there may be many.
type Fields = HashMap<u64, (String, String, bool)>;

/// The messages that the description has.
fn messages() -> HashMap<String, Fields> {
    let mut all: HashMap<String, Fields> = HashMap::new();
    let mut name = String::new();
    for line in PROTO.lines() {
        let code = line.split("//").next().unwrap_or_default().trim();
        let words: Vec<_> = code.trim_end_matches(';').split_whitespace().collect();
        match words.as_slice() {
            ["message", message, "{"] => (*message).clone_into(&mut name),
            ["repeated", kind, field, "=", number] => {
                let number = number.parse().expect("a number");
                let of = all.entry(name.clone()).or_default();
                of.insert(number, ((*field).to_owned(), (*kind).to_owned(), true));
            }
            [kind, field, "=", number] if number.parse::<u64>().is_ok() => {
                let number = number.parse().expect("a number");
                let of = all.entry(name.clone()).or_default();
                of.insert(number, ((*field).to_owned(), (*kind).to_owned(), false));
            }
            _ => {}
        }
    }
    all
}

/// A field's value.
#[derive(Debug, Clone)]
enum Value {
    Number(i64),
    Text(String),
    Message(Message),
}

/// A message: its fields by name, in their order.
#[derive(Debug, Clone, Default)]
struct Message(HashMap<String, Vec<Value>>);

impl Message {
    fn values(&self, field: &str) -> &[Value] {
        self.0.get(field).map_or(&[], Vec::as_slice)
    }

    fn numbers(&self, field: &str) -> Vec<i64> {
        let all = self.values(field).iter();
        all.map(|value| match value {
            Value::Number(n) => *n,
            other => panic!("{field}: {other:?}"),
        })
        .collect()
    }

    /// A number that is there once, or is 0.
    fn number(&self, field: &str) -> i64 {
        self.numbers(field).last().copied().unwrap_or(0)
    }

    fn messages(&self, field: &str) -> Vec<&Self> {
        let all = self.values(field).iter();
        all.map(|value| match value {
            Value::Message(message) => message,
            other => panic!("{field}: {other:?}"),
        })
        .collect()
    }

    fn texts(&self, field: &str) -> Vec<&str> {
        let all = self.values(field).iter();
        all.map(|value| match value {
            Value::Text(text) => text.as_str(),
            other => panic!("{field}: {other:?}"),
        })
        .collect()
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let (first, rest) = bytes.split_first().expect("a byte");
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return value;
        }
    }
    panic!("a number without an end");
}

/// Takes a message apart; a field that the description does not have is a failure.
fn parse(all: &HashMap<String, Fields>, name: &str, mut bytes: &[u8]) -> Message {
    let fields = all.get(name).unwrap_or_else(|| panic!("no message {name}"));
    let mut message = Message::default();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let (field, kind, repeated) =
            (fields.get(&(key >> 3))).unwrap_or_else(|| panic!("{name} has no field {}", key >> 3));
        let is_number = ["int64", "uint64", "bool"].contains(&kind.as_str());
        let into = message.0.entry(field.clone()).or_default();
        match key & 7 {
            0 => {
                assert!(is_number, "{name}.{field} is no {kind}");
                into.push(Value::Number(varint(&mut bytes).cast_signed()));
            }
            2 => {
                let len = usize::try_from(varint(&mut bytes)).expect("a length");
                let (mut inside, rest) = bytes.split_at(len);
                bytes = rest;
                if is_number {
                    assert!(repeated, "{name}.{field} is one number");
                    while !inside.is_empty() {
                        into.push(Value::Number(varint(&mut inside).cast_signed()));
                    }
                } else if kind == "string" {
                    let text = String::from_utf8(inside.to_vec()).expect("UTF-8");
                    into.push(Value::Text(text));
                } else {
                    into.push(Value::Message(parse(all, kind, inside)));
                }
            }
            other => panic!("{name}.{field} has the wire type {other}"),
        }
        assert!(*repeated || into.len() == 1, "{name}.{field} twice");
    }
    message
}

#[test]
fn the_file_is_what_googles_description_says() {
    if seen::cannot_look() {
        return;
    }
    let all = messages();
    assert_eq!(
        all.len(),
        8,
        "the messages of the description: {:?}",
        all.keys()
    );
    let program = common::compile_c("tools/pins.c", &["-O1", "-g"]);
    let mut command = common::preloaded(program);
    command
        .env("CAIRN_PROFILE", "1")
        .env("CAIRN_PROFILE_INTERVAL", "4096");
    let seen = Seen::start(command);
    let path = common::scratch().join(format!("format-{}.pb.gz", seen.pid()));
    let output = cairn(&["profile", &seen.pid(), "-o", path.to_str().expect("a path")]);
    assert!(output.status.success(), "{}", common::describe(&output));
    let mut bytes = Vec::new();
    let file = fs::File::open(&path).expect("the file");
    GzDecoder::new(file).read_to_end(&mut bytes).expect("gzip");
    fs::remove_file(&path).expect("the file");
    let profile = parse(&all, "Profile", &bytes);
    let strings = profile.texts("string_table");
    assert_eq!(strings.first(), Some(&""));
    let text = |n: i64| strings[usize::try_from(n).expect("a place")];
    let types: Vec<_> = (profile.messages("sample_type").iter())
        .map(|t| (text(t.number("ty")), text(t.number("unit"))))
        .collect();
    let place = |name: &str| types.iter().position(|t| t.0 == name).expect(name);
    assert_eq!(types[place("inuse_space")].1, "bytes");
    assert_eq!(types[place("alloc_objects")].1, "count");
    let names: HashMap<i64, &str> = (profile.messages("function").iter())
        .map(|f| (f.number("id"), text(f.number("name"))))
        .collect();
    let mappings: Vec<i64> = profile
        .messages("mapping")
        .iter()
        .map(|m| m.number("id"))
        .collect();
    let locations: HashMap<i64, Vec<&str>> = (profile.messages("location").iter())
        .map(|l| {
            let mapping = l.number("mapping_id");
            assert!(
                mapping == 0 || mappings.contains(&mapping),
                "a mapping that is there"
            );
            let lines = l.messages("line");
            let lines = lines.iter().map(|line| names[&line.number("function_id")]);
            (l.number("id"), lines.collect())
        })
        .collect();
    let sum = |function: &str, kind: &str| -> i64 {
        let samples = profile.messages("sample");
        let has = |s: &&&Message| {
            let ids = s.numbers("location_id");
            ids.iter().any(|id| locations[id].contains(&function))
        };
        let values = samples.iter().filter(has).map(|s| {
            let values = s.numbers("value");
            assert_eq!(values.len(), types.len(), "one value a type");
            values[place(kind)]
        });
        values.sum()
    };
    // What the program does: 20,000 objects of 1,000 bytes, of which every twelfth stays.
    let near = |got: i64, exact: f64| (0.8..=1.2).contains(&(got as f64 / exact));
    assert!(
        near(sum("site_goes", "alloc_space"), 18_333e3),
        "{}",
        sum("site_goes", "alloc_space")
    );
    assert!(
        near(sum("site_stays", "inuse_space"), 1_667e3),
        "{}",
        sum("site_stays", "inuse_space")
    );
    assert!(near(sum("site_stays", "inuse_objects"), 1667.0));
    assert_eq!(sum("site_goes", "inuse_space"), 0);
    assert_eq!(profile.number("period"), 4096);
}
