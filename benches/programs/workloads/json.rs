//! Documents are made, written as JSON, parsed into trees of maps, lists and strings, changed,
//! and written again.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// xorshift64*, as in bench.h.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) * limit >> 32
    }
}

#[derive(Clone)]
enum Value {
    Null,
    Number(i64),
    Text(String),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
}

fn make(random: &mut Random, depth: u32) -> Value {
    match random.below(if depth == 0 { 4 } else { 10 }) {
        0 => Value::Null,
        1 => Value::Number(random.below(1 << 31) as i64 - (1 << 30)),
        2 | 3 => Value::Text("text with \"marks\" ".repeat(random.below(4) as usize)),
        4..=6 => Value::List(
            (0..random.below(8))
                .map(|_| make(random, depth - 1))
                .collect(),
        ),
        _ => Value::Map(
            (0..random.below(8))
                .map(|field| (format!("field {}", field * 7), make(random, depth - 1)))
                .collect(),
        ),
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        if letter == '"' || letter == '\\' {
            out.push('\\');
        }
        out.push(letter);
    }
    out.push('"');
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Number(number) => {
            let _ = write!(out, "{number}");
        }
        Value::Text(text) => write_text(text, out),
        Value::List(list) => {
            out.push('[');
            for (at, item) in list.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (at, (key, item)) in map.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_text(key, out);
                out.push(':');
                write(item, out);
            }
            out.push('}');
        }
    }
}

/// Reads what [`write`] wrote.
struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or_default()
    }

    fn text(&mut self) -> String {
        let mut bytes = Vec::new();
        self.at += 1;
        while self.peek() != b'"' {
            if self.peek() == b'\\' {
                self.at += 1;
            }
            bytes.push(self.peek());
            self.at += 1;
        }
        self.at += 1;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn value(&mut self) -> Value {
        match self.peek() {
            b'n' => {
                self.at += 4;
                Value::Null
            }
            b'"' => Value::Text(self.text()),
            b'[' => {
                let mut list = Vec::new();
                while self.peek() != b']' {
                    self.at += 1;
                    if self.peek() != b']' {
                        list.push(self.value());
                    }
                }
                self.at += 1;
                Value::List(list)
            }
            b'{' => {
                let mut map = BTreeMap::new();
                while self.peek() != b'}' {
                    self.at += 1;
                    if self.peek() != b'}' {
                        let key = self.text();
                        self.at += 1;
                        map.insert(key, self.value());
                    }
                }
                self.at += 1;
                Value::Map(map)
            }
            _ => {
                let start = self.at;
                while matches!(self.peek(), b'-' | b'0'..=b'9') {
                    self.at += 1;
                }
                let digits = std::str::from_utf8(&self.text[start..self.at]);
                Value::Number(digits.ok().and_then(|text| text.parse().ok()).unwrap_or(0))
            }
        }
    }
}

/// Turns numbers to text and drops what is empty.
fn change(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Text(number.to_string()),
        Value::List(list) => Value::List(list.into_iter().map(change).collect()),
        Value::Map(map) => Value::Map(
            map.into_iter()
                .filter(|(_, item)| !matches!(item, Value::Null))
                .map(|(key, item)| (key, change(item)))
                .collect(),
        ),
        other => other,
    }
}

fn main() {
    let documents: usize = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(600);
    let mut random = Random(71);
    let mut sum = 0usize;
    let mut kept: Vec<Value> = Vec::new();
    for number in 0..documents {
        let list = (0..20).map(|_| make(&mut random, 5)).collect();
        let mut text = String::new();
        write(&Value::List(list), &mut text);
        let parsed = Parser {
            text: text.as_bytes(),
            at: 0,
        }
        .value();
        let changed = change(parsed.clone());
        let mut again = String::new();
        write(&changed, &mut again);
        sum = sum
            .wrapping_mul(31)
            .wrapping_add(text.len() * 7 + again.len());
        if number % 4 == 0 {
            kept.push(changed);
        }
        if kept.len() > 40 {
            kept.remove(random.below(40) as usize);
        }
    }
    println!("checksum {sum:x} {}", kept.len());
}
