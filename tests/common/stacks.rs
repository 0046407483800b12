//! Stacks that Cairn wrote on standard error, and the steps of a program (`c-tests/guards/steps.h`).
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test reports by panicking"
)]

use std::collections::HashMap;
use std::ops::Range;
use std::process::Output;

/// A stack of a report: what its line says, and the addresses of its frames.
#[derive(Debug)]
pub struct Part {
    pub head: String,
    pub frames: Vec<usize>,
}

/// The parts of a report, without the message of a free before it.
pub fn parts(output: &Output) -> Vec<Part> {
    let text = String::from_utf8_lossy(&output.stderr);
    let mut parts: Vec<Part> = Vec::new();
    for line in text.lines() {
        if let Some(frame) = line.strip_prefix("    #") {
            let (number, rest) = frame
                .split_once(" 0x")
                .unwrap_or((frame.split(' ').next().unwrap(), "0 "));
            let part = parts.last_mut().expect("a line before its frames");
            assert_eq!(number, part.frames.len().to_string(), "{text}");
            let address = rest.split(' ').next().unwrap();
            part.frames
                .push(usize::from_str_radix(address, 16).expect("an address"));
        } else if line.ends_with(':') {
            parts.push(Part {
                head: line.to_owned(),
                frames: Vec::new(),
            });
        }
    }
    parts
}

/// Where the code of each step lies, as the program printed it.
pub fn steps(output: &Output) -> HashMap<String, Range<usize>> {
    let number = |text: &str| usize::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    let text = String::from_utf8_lossy(&output.stdout);
    let step = |line: &str| {
        let mut words = line.split(' ');
        let name = words.next()?.to_owned();
        Some((name, number(words.next()?)?..number(words.next()?)?))
    };
    text.lines().filter_map(step).collect()
}

/// Whether the innermost frame lies in a step.
pub fn in_step(output: &Output, part: &Part, step: &str) -> bool {
    let steps = steps(output);
    let first = part.frames.first();
    first.is_some_and(|pc| steps.get(step).is_some_and(|range| range.contains(pc)))
}
