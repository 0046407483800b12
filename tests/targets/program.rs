//! A program of `tests/targets.rs`: Cairn is its global allocator, on whatever C library and linked
//! in whatever way. It says that all is well, and that the break was left to libc.

use std::thread;

#[global_allocator]
static HEAP: cairn::Cairn = cairn::Cairn;

unsafe extern "C" {
    fn sbrk(by: isize) -> *mut u8;
}

/// What libc's own malloc may take for itself.
const LIBCS: usize = 1 << 20;

fn the_break() -> usize {
    // SAFETY: a question.
    unsafe { sbrk(0) }.addr()
}

/// Objects of all sizes, replaced again and again, contents checked.
fn work(seed: usize) {
    let mut state = seed as u64 * 2_654_435_761 + 88_172_645_463_325_252;
    let mut held: Vec<Vec<u8>> = (0..500).map(|_| Vec::new()).collect();
    for round in 0..5_000_usize {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let at = (state % 500) as usize;
        let n = match state >> 60 {
            0 => 1 + (state >> 8) as usize % 200_000,
            1..4 => 1 + (state >> 8) as usize % 5000,
            _ => 1 + (state >> 8) as usize % 600,
        };
        let old = &held[at];
        assert!(old.iter().all(|&byte| byte == old.len() as u8));
        held[at] = vec![n as u8; n];
        if round % 64 == 0 {
            let old = held[at].len();
            held[at].resize(n * 2, n as u8);
            assert!(held[at][..old].iter().all(|&byte| byte == n as u8));
            held[at].fill((n * 2) as u8);
        }
        assert!(vec![0_u64; n / 8].iter().all(|&word| word == 0));
    }
}

#[repr(align(4096))]
struct Aligned([u8; 4096]);

fn main() {
    let before = the_break();
    let threads: Vec<_> = (1..5).map(|n| thread::spawn(move || work(n))).collect();
    work(9);
    for thread in threads {
        thread.join().expect("a thread panicked");
    }
    let aligned: Vec<Box<Aligned>> = (0..100).map(|n| Box::new(Aligned([n; 4096]))).collect();
    assert!(aligned.iter().all(|page| (&raw const **page).addr() % 4096 == 0));
    assert!(cairn::check_heap().is_ok(), "the heap is broken");
    let moved = the_break() - before;
    assert!(moved <= LIBCS, "the break moved by {moved} bytes");
    println!("served");
}
