//! A Rust program on Cairn: one static makes every `Box`, `Vec`, `String` and
//! map of the program, in all its threads, come from it. C code in the same
//! process keeps the C library's `malloc`.
//!
//! `cargo run --release --example global_allocator`

use std::collections::{BTreeMap, HashMap};
use std::thread;

#[global_allocator]
static ALLOCATOR: cairn::Cairn = cairn::Cairn;

/// Memory that asks for a whole cache line, as a counter per thread would.
#[repr(align(64))]
struct Line(u64);

/// Counts words that a small generator makes up from `seed`.
fn count_words(seed: u64) -> HashMap<String, usize> {
    let mut state = seed;
    let mut counts = HashMap::new();
    for _ in 0..100_000 {
        state = state * 16807 % 2_147_483_647;
        *counts.entry(format!("word-{}", state % 5000)).or_default() += 1;
    }
    counts
}

fn main() {
    let counted: Vec<_> = (1..=4)
        .map(|seed| thread::spawn(move || (count_words(seed), Box::new(Line(seed)))))
        .collect();

    let mut all: BTreeMap<String, usize> = BTreeMap::new();
    let mut seeds = 0;
    for thread in counted {
        // A thread that panicked has said so already.
        let Ok((words, line)) = thread.join() else {
            std::process::exit(1);
        };
        seeds += line.0;
        for (word, count) in words {
            *all.entry(word).or_default() += count;
        }
    }
    let total: usize = all.values().sum();
    println!(
        "{total} words, {} of them different, from seeds that add up to {seeds}",
        all.len()
    );

    match cairn::check_heap() {
        Ok(_) => println!("the heap is whole"),
        Err(_) => {
            println!("the heap is broken");
            std::process::exit(1);
        }
    }
}
