//! The input as a source of choices. Where it ends a generator goes on that its first bytes seed,
//! so that every input makes a full run, and a longer one steers more of it.

/// Bytes that seed what follows the input.
const SEED: usize = 8;

/// One input in so many is rare.
const RARE: u64 = 64;

fn hash<'a>(bytes: impl Iterator<Item = &'a u8>) -> u64 {
    bytes.fold(0x9e37_79b9_7f4a_7c15, |s, b| {
        (s ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Choices, one after the other.
pub struct Source {
    data: Vec<u8>,
    at: usize,
    state: u64,
    held: bool,
    rare: bool,
}

impl Source {
    /// The choices that an input makes.
    pub fn new(data: &[u8]) -> Self {
        let state = hash(data.iter().take(SEED));
        Self {
            data: data.to_vec(),
            at: 0,
            state,
            held: false,
            rare: (hash(data.iter()) >> 32).is_multiple_of(RARE),
        }
    }

    /// What comes after the input, from another seed.
    pub fn reseed(&mut self, seed: u64) {
        self.state = seed;
    }

    /// Whether this is an input of the rare kind. All of its bytes decide, so that a fuzzer cannot
    /// breed them: what is told apart by this is worth seeing, and slow.
    pub fn is_rare(&self) -> bool {
        self.rare
    }

    /// While on, the generator makes the choices, and what is left of the input is for later.
    pub fn hold(&mut self, on: bool) {
        self.held = on;
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        if !self.held
            && let Some(byte) = self.data.get(self.at)
        {
            self.at += 1;
            return *byte;
        }
        // splitmix64
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z >> 56) as u8
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        let mut value = usize::from(self.byte());
        if n > 1 << 8 {
            value = value << 8 | usize::from(self.byte());
        }
        if n > 1 << 16 {
            value = value << 8 | usize::from(self.byte());
        }
        value % n
    }

    /// One of several.
    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        let i = self.below(choices.len());
        choices[i]
    }
}
