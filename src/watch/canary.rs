//! What lies behind an object in check mode, and what freed memory is filled with.
//!
//! ```text
//!  p                       p + n                     p + room - 8    p + room
//!  | what was asked for    | pattern, at least 1 byte | length, keyed |
//! ```
//!
//! The pattern depends on the object's address and a secret, and none of its bytes is 0: the most
//! common overflow of all, a string's end, always shows. The length is written under a mask and
//! carries 16 bits of a hash over itself and the address. So a write past the end shows in the
//! first byte it changes, and what was asked for can be said without another table.
//! A mapped chunk has its length in the registry, and the pattern alone up to its guard page.

use crate::config::round_up;
use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes of the keyed length.
const WORD: usize = size_of::<u64>();
/// Bytes that an object needs beyond what was asked for: one of pattern, and the length.
pub(crate) const LEAST: usize = WORD + 1;
/// Bytes of the pattern beyond an object's end that a resize in place compares.
pub(crate) const NEAR: usize = 128;
/// Bits of the length; addresses have no more.
const BITS: u32 = 48;
const LENGTH: u64 = (1 << BITS) - 1;
/// Tell the three uses of the secret apart.
const PATTERN: u64 = 0x243f_6a88_85a3_08d3;
const MASK: u64 = 0x1319_8a2e_0370_7344;
const PROOF: u64 = 0xa409_3822_299f_31d0;
/// Stands in the pattern for a byte that would be 0.
const NOT_ZERO: u8 = 0xa5;

static KEY: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];

/// Sets the secret; once, before the first object exists.
pub(crate) fn set_key(secret: [u64; 2]) {
    let [a, b] = &KEY;
    // The top bit keeps either factor of `hash` from ever being 0.
    a.store(secret[0] | 1 << 63, Relaxed);
    b.store(secret[1] | 1 << 63, Relaxed);
}

fn hash(x: u64, y: u64) -> u64 {
    let [a, b] = &KEY;
    let product = u128::from(x ^ a.load(Relaxed)) * u128::from(y ^ b.load(Relaxed));
    product as u64 ^ (product >> 64) as u64
}

/// The pattern of the object at `p`; its byte `i` belongs at the addresses with `i` as remainder.
fn pattern(p: usize) -> [u8; 8] {
    hash(p as u64, PATTERN)
        .to_ne_bytes()
        .map(|byte| if byte == 0 { NOT_ZERO } else { byte })
}

fn mask(p: usize) -> u64 {
    hash(p as u64, MASK) & LENGTH
}

fn proof(p: usize, n: usize) -> u64 {
    hash(p as u64 ^ PROOF, n as u64) & !LENGTH
}

fn byte(at: usize) -> *mut u8 {
    ptr::with_exposed_provenance_mut(at)
}

/// Shows `[from, to)` piece by piece until `f` says false: whole words at their addresses, and what
/// is left at either end byte by byte. Whether it never did.
fn pieces(
    from: usize,
    to: usize,
    mut one: impl FnMut(usize) -> bool,
    mut word: impl FnMut(usize) -> bool,
) -> bool {
    let first = round_up(from, WORD).min(to);
    let last = (to & !(WORD - 1)).max(first);
    (from..first).all(&mut one)
        && (first..last).step_by(WORD).all(&mut word)
        && (last..to).all(&mut one)
}

/// Writes the pattern of the object at `p` over `[from, to)`.
///
/// # Safety
/// `[from, to)` belongs to the object and holds nothing that is needed.
pub(crate) unsafe fn paint(p: usize, from: usize, to: usize) {
    let words = u64::from_ne_bytes(pattern(p));
    let one = |at: usize| {
        // SAFETY: the caller's.
        unsafe { byte(at).write(of_byte(words, at)) };
        true
    };
    pieces(from, to, one, |at| {
        // SAFETY: the caller's; a multiple of 8.
        unsafe { whole(at).write(words) };
        true
    });
}

/// Whether [`paint`]'s pattern is still there.
///
/// # Safety
/// `[from, to)` may be read.
pub(crate) unsafe fn is_painted(p: usize, from: usize, to: usize) -> bool {
    let words = u64::from_ne_bytes(pattern(p));
    // SAFETY: the caller's.
    let one = |at: usize| unsafe { byte(at).read() } == of_byte(words, at);
    // SAFETY: the caller's; a multiple of 8.
    pieces(from, to, one, |at| unsafe { whole(at).read() } == words)
}

/// The byte of a pattern that belongs at an address.
fn of_byte(pattern: u64, at: usize) -> u8 {
    if cfg!(target_endian = "little") {
        (pattern >> (8 * (at % WORD))) as u8
    } else {
        (pattern >> (8 * (WORD - 1 - at % WORD))) as u8
    }
}

fn whole(at: usize) -> *mut u64 {
    ptr::with_exposed_provenance_mut(at)
}

fn word(p: usize, room: usize) -> *mut u64 {
    whole(p + room - WORD)
}

/// Writes the trailer of an object of `n` bytes.
///
/// # Safety
/// The object at `p` is the caller's, a multiple of 8 as `room` is, and has `room` bytes, at
/// least [`LEAST`] more than `n`.
pub(crate) unsafe fn write(p: usize, room: usize, n: usize) {
    // SAFETY: the caller's.
    unsafe {
        paint(p, p + n, p + room - WORD);
        word(p, room).write((n as u64 ^ mask(p)) | proof(p, n));
    }
}

/// Writes the trailer anew after a resize in the same room: of the pattern only what is new.
///
/// # Safety
/// As [`write`]; the trailer for `was` bytes is there and whole.
pub(crate) unsafe fn rewrite(p: usize, room: usize, was: usize, n: usize) {
    // SAFETY: the caller's.
    unsafe {
        paint(p, p + n, p + was.max(n));
        word(p, room).write((n as u64 ^ mask(p)) | proof(p, n));
    }
}

/// What was asked for; `None` when the trailer is not the one that was written.
///
/// # Safety
/// `[p, p + room)` may be read; both are multiples of 8.
pub(crate) unsafe fn read(p: usize, room: usize) -> Option<usize> {
    // SAFETY: the caller's.
    unsafe { read_near(p, room, usize::MAX) }
}

/// As [`read`], before a resize to `n` bytes: of the pattern only what those take and [`NEAR`]
/// bytes more are compared. The rest is when its turn comes.
///
/// # Safety
/// As [`read`].
pub(crate) unsafe fn read_near(p: usize, room: usize, n: usize) -> Option<usize> {
    if room < LEAST {
        return None;
    }
    // SAFETY: the caller's.
    let value = unsafe { word(p, room).read() };
    let was = ((value ^ mask(p)) & LENGTH) as usize;
    let to = was.max(n).saturating_add(NEAR).min(room - WORD);
    let whole = was <= room - LEAST
        && value & !LENGTH == proof(p, was)
        // SAFETY: the caller's.
        && unsafe { is_painted(p, p + was, p + to) };
    whole.then_some(was)
}

/// Whether `[p, p + len)` holds `fill` and nothing else.
///
/// # Safety
/// It may be read; both are multiples of 8.
pub(crate) unsafe fn is_filled(p: usize, len: usize, fill: u8) -> bool {
    /// Words compared with one branch.
    const AT_ONCE: usize = 4;
    let want = u64::from_ne_bytes([fill; WORD]);
    // SAFETY: the caller's.
    let differs = |at: usize| unsafe { whole(at).read() } ^ want;
    let (mut at, end) = (p, p + len);
    let mut all = 0;
    while at + AT_ONCE * WORD <= end && all == 0 {
        all = differs(at) | differs(at + WORD) | differs(at + 2 * WORD) | differs(at + 3 * WORD);
        at += AT_ONCE * WORD;
    }
    while at < end {
        all |= differs(at);
        at += WORD;
    }
    all == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = 88;

    fn object() -> (Vec<u64>, usize) {
        set_key([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210]);
        let mut memory = vec![0; ROOM / 8];
        let p = memory.as_mut_ptr().expose_provenance();
        (memory, p)
    }

    #[test]
    fn every_length_is_read_as_it_was_written() {
        let (_memory, p) = object();
        for n in 0..=ROOM - LEAST {
            // SAFETY: `ROOM` bytes of this test's own.
            let read = unsafe {
                write(p, ROOM, n);
                read(p, ROOM)
            };
            assert_eq!(read, Some(n));
        }
    }

    #[test]
    fn any_change_of_any_byte_behind_the_object_shows() {
        let (_memory, p) = object();
        for n in [0, 1, 40, 70, ROOM - LEAST] {
            for at in p + n..p + ROOM {
                // SAFETY: `ROOM` bytes of this test's own.
                unsafe {
                    write(p, ROOM, n);
                    let was = byte(at).read();
                    for turned in 1..=255 {
                        byte(at).write(was ^ turned);
                        assert_eq!(read(p, ROOM), None, "byte {} of {n}", at - p);
                    }
                }
            }
        }
    }

    #[test]
    fn a_trailer_moves_with_a_resize_in_its_room() {
        let (_memory, p) = object();
        for (was, n) in [
            (0, 1),
            (40, 41),
            (41, 40),
            (7, 79),
            (79, 7),
            (16, 24),
            (24, 16),
        ] {
            // SAFETY: `ROOM` bytes of this test's own.
            unsafe {
                write(p, ROOM, was);
                // What the program writes.
                byte(p).write_bytes(0x41, was);
                rewrite(p, ROOM, was, n);
                assert_eq!(read(p, ROOM), Some(n), "from {was} to {n}");
                byte(p + n).write(byte(p + n).read() ^ 1);
                assert_eq!(read(p, ROOM), None, "from {was} to {n}");
            }
        }
    }

    #[test]
    fn before_a_resize_all_that_it_takes_is_compared() {
        const LONG: usize = 1024;
        set_key([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210]);
        let mut memory = vec![0u64; LONG / 8];
        let p = memory.as_mut_ptr().expose_provenance();
        for (was, n, seen) in [(100, 101, 101), (100, 50, 100), (100, 600, 600)] {
            for at in was..LONG {
                // SAFETY: `LONG` bytes of this test's own.
                let near = unsafe {
                    write(p, LONG, was);
                    byte(p + at).write(byte(p + at).read() ^ 1);
                    read_near(p, LONG, n)
                };
                let far = at >= seen + NEAR && at < LONG - WORD;
                assert_eq!(near, far.then_some(was), "{was} to {n}, byte {at}");
            }
        }
    }

    /// As byte by byte, whatever the two ends' remainders by 8.
    #[test]
    fn a_pattern_is_painted_from_its_first_byte_to_its_last_and_no_further() {
        let (_memory, p) = object();
        for from in p..p + 20 {
            for to in from..p + 40 {
                // SAFETY: `ROOM` bytes of this test's own.
                unsafe {
                    byte(p).write_bytes(0, ROOM);
                    paint(p, from, to);
                    assert!(is_painted(p, from, to));
                    for at in p..p + ROOM {
                        let want = if (from..to).contains(&at) {
                            pattern(p)[at % 8]
                        } else {
                            0
                        };
                        assert_eq!(byte(at).read(), want);
                        if want != 0 {
                            byte(at).write(want ^ 1);
                            assert!(!is_painted(p, from, to));
                            byte(at).write(want);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn no_byte_of_a_pattern_is_0() {
        for p in (0..1 << 20).step_by(16) {
            assert!(!pattern(p).contains(&0));
        }
    }

    #[test]
    fn a_trailer_moved_to_another_object_does_not_fit() {
        let (memory, p) = object();
        let mut other = memory.clone();
        let q = other.as_mut_ptr().expose_provenance();
        // SAFETY: two buffers of this test's own.
        unsafe {
            write(p, ROOM, 40);
            byte(q).copy_from_nonoverlapping(byte(p), ROOM);
            assert_eq!(read(q, ROOM), None);
        }
    }

    #[test]
    fn one_byte_written_into_filled_memory_shows() {
        let (_memory, p) = object();
        for at in 0..ROOM {
            // SAFETY: `ROOM` bytes of this test's own.
            unsafe {
                byte(p).write_bytes(0xde, ROOM);
                assert!(is_filled(p, ROOM, 0xde));
                byte(p + at).write(0xdf);
                assert!(!is_filled(p, ROOM, 0xde), "byte {at}");
            }
        }
    }
}
