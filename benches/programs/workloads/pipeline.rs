//! A pipeline of threads: one makes lines, two parse them, one gathers. Every object is freed by
//! another thread than the one that took it.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

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

/// Lines that go through a channel together.
const BATCH: usize = 64;

struct Request {
    path: String,
    fields: Vec<(String, String)>,
}

fn make(lines: usize, to: &[SyncSender<Vec<String>>]) {
    let mut random = Random(73);
    for batch in 0..lines / BATCH {
        let lines = (0..BATCH).map(|_| {
            let fields: Vec<String> = (0..random.below(6))
                .map(|field| format!("key{field}={}", random.below(1 << 40)))
                .collect();
            format!(
                "/path/{}/{}?{}",
                random.below(100),
                random.below(1 << 20),
                fields.join("&")
            )
        });
        if let Some(to) = to.get(batch % to.len()) {
            let _ = to.send(lines.collect());
        }
    }
}

fn parse(from: &Receiver<Vec<String>>, to: &SyncSender<Vec<Request>>) {
    for lines in from {
        let requests = lines.iter().map(|line| {
            let (path, fields) = line.split_once('?').unwrap_or((line, ""));
            Request {
                path: path.to_owned(),
                fields: fields
                    .split('&')
                    .filter_map(|field| field.split_once('='))
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .collect(),
            }
        });
        let _ = to.send(requests.collect());
    }
}

fn main() {
    let lines: usize = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(300_000);
    let (gathered, requests) = sync_channel::<Vec<Request>>(32);
    let mut parsers = Vec::new();
    for _ in 0..2 {
        let (to, from) = sync_channel(32);
        let gathered = gathered.clone();
        thread::spawn(move || parse(&from, &gathered));
        parsers.push(to);
    }
    drop(gathered);
    thread::spawn(move || make(lines, &parsers));
    let mut sum = 0usize;
    for request in requests.into_iter().flatten() {
        let values: usize = request
            .fields
            .iter()
            .map(|(key, value)| key.len() * value.len())
            .sum();
        sum += request.path.len() * 7 + values;
    }
    println!("checksum {sum:x}");
}
