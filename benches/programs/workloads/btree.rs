//! Ordered maps: three indexes over the same records, which come, change and go.

use std::collections::BTreeMap;

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

struct Record {
    name: String,
    tags: Vec<u32>,
    weight: u64,
}

fn main() {
    let steps: u64 = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(250_000);
    let mut random = Random(61);
    let mut records: BTreeMap<u64, Box<Record>> = BTreeMap::new();
    let mut names: BTreeMap<String, u64> = BTreeMap::new();
    let mut weights: BTreeMap<(u64, u64), ()> = BTreeMap::new();
    let mut sum = 0u64;
    for step in 0..steps {
        let key = random.below(60_000);
        if let Some(gone) = records.remove(&key) {
            names.remove(&gone.name);
            weights.remove(&(gone.weight, key));
            sum = sum.wrapping_mul(31) + gone.tags.iter().map(|&tag| u64::from(tag)).sum::<u64>();
        } else {
            let record = Record {
                name: format!("record {key} of step {step}"),
                tags: (0..random.below(12)).map(|tag| tag as u32 * 3).collect(),
                weight: random.below(1 << 20),
            };
            names.insert(record.name.clone(), key);
            weights.insert((record.weight, key), ());
            records.insert(key, Box::new(record));
        }
        if step % 1024 == 0 {
            let heaviest: Vec<u64> = weights.keys().rev().take(20).map(|&(_, key)| key).collect();
            let found = heaviest.iter().filter_map(|key| records.get(key));
            sum = sum.wrapping_mul(31) + found.map(|record| record.name.len() as u64).sum::<u64>();
        }
    }
    println!("checksum {:x} {} {}", sum, records.len(), names.len());
}
