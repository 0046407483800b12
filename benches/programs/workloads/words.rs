//! An inverted index: text of made-up words is split, counted, and sorted; each word keeps the
//! lines it stands on.

use std::collections::HashMap;

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

/// A line of words of which few are frequent and many are rare.
fn line(random: &mut Random) -> String {
    const SYLLABLES: [&str; 16] = [
        "ka", "lo", "mi", "ren", "tor", "u", "sha", "be", "quin", "do", "ve", "yr", "ost", "pa",
        "ni", "gel",
    ];
    let mut text = String::new();
    for _ in 0..6 + random.below(10) {
        let mut word = random.below(24_000) * random.below(1_000) / 1_000;
        while word > 0 {
            text.push_str(SYLLABLES[(word % 16) as usize]);
            word /= 16;
        }
        text.push(' ');
    }
    text
}

fn main() {
    let lines: usize = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(60_000);
    let mut random = Random(67);
    let mut sum = 0u64;
    let text: Vec<String> = (0..lines).map(|_| line(&mut random)).collect();
    let mut index: HashMap<String, Vec<u32>> = HashMap::new();
    for (number, line) in text.iter().enumerate() {
        let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        words.sort();
        words.dedup();
        for word in words {
            index.entry(word).or_default().push(number as u32);
        }
    }
    let mut words: Vec<(String, Vec<u32>)> = index.into_iter().collect();
    words.sort_by(|(a, here), (b, there)| there.len().cmp(&here.len()).then_with(|| a.cmp(b)));
    for (word, lines) in &words {
        let upper = word.to_uppercase();
        let last = lines.last().copied().unwrap_or_default();
        sum = sum.wrapping_mul(31) + upper.len() as u64 * u64::from(last) + lines.len() as u64;
    }
    println!("checksum {sum:x} {}", words.len());
}
