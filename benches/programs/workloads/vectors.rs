//! Many vectors that grow one element at a time and are dropped: few are long, and some are kept
//! for a while. Their blocks go through all sizes from tens of bytes to megabytes.

use std::env;

/// xorshift64*, as the programs in C have it.
fn next(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

fn main() {
    let argument = |n: usize, otherwise: usize| {
        let given = env::args().nth(n);
        given.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    };
    let (steps, kept) = (argument(1, 12_000), argument(2, 64));
    let mut held: Vec<Vec<u64>> = vec![Vec::new(); kept];
    let (mut state, mut sum) = (17_u64, 0_u64);
    for step in 0..steps {
        let long = next(&mut state).is_multiple_of(50);
        let most = if long { 200_000 } else { 2_000 };
        let length = next(&mut state) % most;
        let mut vector = Vec::new();
        for i in 0..length {
            vector.push(i ^ step as u64);
        }
        let place = (next(&mut state) % kept as u64) as usize;
        sum = sum.rotate_left(5) ^ held[place].last().copied().unwrap_or(0);
        held[place] = vector;
    }
    println!("checksum {sum:016x}");
}
