//! A chunk: the header below the payload, the foot behind it, and the keyed tag.
//!
//! ```text
//!            p - 16        p - 8                p                       p + size - 16
//!              | prev_size   | size|flags | tag   | payload … (fd, bk)      | next's prev_size …
//!              '-- foot of   '---- u32 ----- u32  '- aligned to 16          '- this chunk's foot,
//!                  the chunk                                                   its payload's last
//!                  before, only while that is free                             8 bytes while in use
//! ```
//!
//! The size word is written under the arena's lock; the tag is also written by the thread that
//! owns the chunk. They are words of their own so that neither write undoes the other.
//! The arena is not named in the header, as it is in glibc's by a bit: the region table knows it.
//!
//! The tag hashes address, size and kind under a secret of the process. In use it is `T`, freed
//! it is `T` with all bits but the lowest turned. `T` is odd, so neither is ever 0: zeroed memory
//! is no header. The hash multiplies two keyed words to 128 bits and folds the halves; a CRC or a
//! single multiplication is linear, and one tag that leaks would give away the others.

pub(crate) use crate::layout::head::{Head, Kind};

use crate::config::ALIGN;
use crate::layout::head::{PREV_IN_USE, domain};
use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Turns a tag from "in use" to "freed" and back.
pub(crate) const TURN: u32 = !1;
/// Turns a tag from "in use" to "in use, and a sample" and back: no fast path takes that one.
const SAMPLE: u32 = 0x5555_5554;
static KEY: Key = Key(UnsafeCell::new([0; 2]));

/// The secret. Ordinary words, where others would be atomic: an instruction takes one from memory.
struct Key(UnsafeCell<[u64; 2]>);

// SAFETY: written once, before the first chunk exists; whoever reads it has met one, and what led
// there (a region's word, a lock) orders the write before the read.
unsafe impl Sync for Key {}

/// Sets the secret.
///
/// # Safety
/// Once, before the first chunk exists.
pub(crate) unsafe fn set_key(secret: [u64; 2]) {
    // The top bit keeps either factor from ever being 0.
    // SAFETY: the caller's: nobody reads it yet.
    unsafe { KEY.0.get().write(secret.map(|half| half | 1 << 63)) };
}

/// A chunk, named by its payload's address. Not yet trusted: see [`Chunk::is_used`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(transparent)]
pub(crate) struct Chunk(usize);

/// `T` of a chunk at `p` with this size word.
#[inline(always)]
fn tag_of(p: usize, word: u32) -> u32 {
    // SAFETY: no chunk exists before it is set.
    hash(p, word, unsafe { KEY.0.get().read() })
}

/// The hash under a secret. The address is turned as the fast path has it at hand
/// (`region::aligned_word`).
#[inline(always)]
fn hash(p: usize, word: u32, [a, b]: [u64; 2]) -> u32 {
    let x = p.rotate_right(ALIGN.ilog2()) as u64 ^ a;
    let y = u64::from(word) ^ b;
    let product = u128::from(x) * u128::from(y);
    ((product as u64) ^ (product >> 64) as u64) as u32 | 1
}

impl Chunk {
    /// The chunk whose payload is at `p`.
    ///
    /// # Safety
    /// `p` is a multiple of 16, and `[p - 16, p + 16)` is mapped memory of a heap or a mapped
    /// chunk (I1, I8). Everything below relies on that, and on nothing that lies in that memory.
    #[inline(always)]
    pub(crate) const unsafe fn at(p: usize) -> Self {
        Self(p)
    }
    /// Address of the payload.
    #[inline(always)]
    pub(crate) const fn payload(self) -> usize {
        self.0
    }
    /// Strict provenance stops at the caller's pointer: headers are reached through the exposed
    /// provenance of the system's mapping, here and nowhere else.
    #[inline(always)]
    fn word(self, offset: isize) -> *mut u32 {
        ptr::with_exposed_provenance_mut(self.0.wrapping_add_signed(offset))
    }
    #[inline(always)]
    fn atomic(self, offset: isize) -> &'static AtomicU32 {
        // SAFETY: `at`'s contract: mapped memory of a heap or a mapped chunk (I1, I8).
        unsafe { AtomicU32::from_ptr(self.word(offset)) }
    }
    /// The size word.
    #[inline(always)]
    pub(crate) fn head(self) -> Head {
        Head::of(self.atomic(-8).load(Relaxed))
    }
    /// The tag as it stands.
    #[inline(always)]
    pub(crate) fn tag(self) -> u32 {
        self.atomic(-4).load(Relaxed)
    }
    /// Writes the tag.
    #[inline(always)]
    fn set_tag(self, tag: u32) {
        self.atomic(-4).store(tag, Relaxed);
    }
    /// `T` for the size word as it stands.
    #[inline(always)]
    pub(crate) fn expected(self) -> u32 {
        tag_of(self.0, domain(self.head().covered()))
    }
    /// `T` for what it covers of a size word that was read before, if that is a plain chunk's; of
    /// another kind's it is no tag that was ever written.
    #[inline(always)]
    pub(crate) fn expected_under(self, covered: u32) -> u32 {
        tag_of(self.0, covered)
    }
    /// Turns the tag where it stands, whatever it is: in use becomes freed, and freed in use. On x86-64 a
    /// relaxed load, a change and a relaxed store become one instruction.
    #[inline(always)]
    pub(crate) fn turn(self) {
        let tag = self.atomic(-4);
        tag.store(tag.load(Relaxed) ^ TURN, Relaxed);
    }
    /// The same of a tag that was found to be `tag`, which saves the load where a change in memory is no
    /// one instruction.
    #[inline(always)]
    pub(crate) fn turn_found(self, tag: u32) {
        if cfg!(target_arch = "x86_64") {
            self.turn();
        } else {
            self.set_tag(tag ^ TURN);
        }
    }
    /// Whether this still is the freed chunk that was left in a cache, of this size, and with this tag
    /// while it was in use.
    pub(crate) fn is_left(self, size: u32, tag: u32) -> bool {
        self.head().covers(size) && self.tag() == tag ^ TURN
    }
    /// The same, and if so it is in use from now on; else it is nobody's to have. The tag that it is to
    /// have is read last, where one instruction reads and compares it.
    #[inline(always)]
    pub(crate) fn take_up(self, size: u32, tag: impl FnOnce() -> u32) -> bool {
        if !self.head().covers(size) {
            return false;
        }
        if cfg!(target_arch = "x86_64") {
            self.turn();
            self.tag() == tag()
        } else {
            let turned = self.tag() ^ TURN;
            self.set_tag(turned);
            turned == tag()
        }
    }
    /// Whether header and tag agree that this chunk of any kind is in use.
    #[inline(always)]
    pub(crate) fn is_used(self) -> bool {
        self.tag() == self.expected()
    }
    /// Whether header and tag agree that this chunk of any kind is freed.
    #[inline(always)]
    pub(crate) fn is_freed(self) -> bool {
        self.tag() == self.expected() ^ TURN
    }
    /// Whether header and tag agree that this chunk is in use, and a sample.
    #[inline]
    pub(crate) fn is_sampled(self) -> bool {
        self.tag() == self.expected() ^ SAMPLE
    }
    /// Turns the tag of a chunk in use to a sample's, and back.
    #[inline]
    pub(crate) fn turn_sampled(self) {
        self.set_tag(self.tag() ^ SAMPLE);
    }
    /// Whether the header is one that Cairn wrote, in any state.
    pub(crate) fn is_valid(self) -> bool {
        let (tag, used) = (self.tag(), self.expected());
        tag == used || tag == used ^ TURN || tag == used ^ SAMPLE
    }
    /// Writes the header; `size` is a multiple of 16, at most `MAX_CHUNK`. Arena locked.
    #[inline]
    pub(crate) fn write(self, size: usize, kind: Kind, prev_in_use: bool, used: bool) {
        let word = size as u32 | kind as u32;
        let tag = tag_of(self.0, domain(word));
        self.atomic(-8)
            .store(word | u32::from(prev_in_use), Relaxed);
        self.set_tag(if used { tag } else { tag ^ TURN });
    }
    /// Merged into the chunk in front: the header becomes one that nothing believes, and that still
    /// tells a second free what it is. Arena locked.
    #[inline]
    pub(crate) fn swallow(self) {
        let head = self.head();
        self.write(head.size(), Kind::Gone, head.prev_in_use(), false);
    }
    /// Turns the tag; the size word stays.
    #[inline]
    pub(crate) fn mark(self, used: bool) {
        let tag = self.expected();
        self.set_tag(if used { tag } else { tag ^ TURN });
    }
    /// Tells the chunk whether its predecessor is free. Arena locked; the tag does not cover it.
    #[inline]
    pub(crate) fn set_prev_in_use(self, on: bool) {
        let head = self.atomic(-8);
        head.store(head.load(Relaxed) & !PREV_IN_USE | u32::from(on), Relaxed);
    }
    /// The chunk behind, `size` bytes on; of a heap's last chunk this is the fence.
    #[inline(always)]
    pub(crate) fn after(self, size: usize) -> Self {
        Self(self.0.wrapping_add(size))
    }
    /// The chunk in front, by its foot.
    #[inline(always)]
    pub(crate) fn before(self) -> Self {
        Self(self.0.wrapping_sub(self.prev_size()))
    }
    /// The foot of the chunk in front; meaningful only while that is free.
    #[inline(always)]
    pub(crate) fn prev_size(self) -> usize {
        // SAFETY: `at`'s contract: mapped memory of a heap or a mapped chunk (I1, I8).
        unsafe { ptr::with_exposed_provenance::<usize>(self.0.wrapping_sub(16)).read() }
    }
    /// Writes this free chunk's foot.
    #[inline]
    pub(crate) fn set_foot(self, size: usize) {
        let foot = self.0.wrapping_add(size).wrapping_sub(16);
        // SAFETY: `at`'s contract: mapped memory of a heap or a mapped chunk (I1, I8).
        unsafe { ptr::with_exposed_provenance_mut::<usize>(foot).write(size) };
    }
    /// A link of a free chunk, the first words of its payload; the smallest chunk has two. 0 leads
    /// nowhere.
    #[inline]
    pub(crate) fn link(self, which: usize) -> usize {
        // SAFETY: `at`'s contract: mapped memory of a heap or a mapped chunk (I1, I8).
        unsafe {
            ptr::with_exposed_provenance::<usize>(self.0)
                .add(which % 4)
                .read()
        }
    }
    /// Writes a link of a free chunk.
    #[inline]
    pub(crate) fn set_link(self, which: usize, to: usize) {
        // SAFETY: `at`'s contract: mapped memory of a heap or a mapped chunk (I1, I8).
        unsafe {
            ptr::with_exposed_provenance_mut::<usize>(self.0)
                .add(which % 4)
                .write(to)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_of_address_size_and_kind_changes_the_tag() {
        // Not the process's secret: other tests have a heap beside this one.
        let key = [0x1234_5678_9abc_def1, 0xfedc_ba98_7654_3211];
        let tag_of = |p, word| hash(p, word, key);
        let base = tag_of(0x7f12_3456_7890, 64);
        for bit in 4..48 {
            assert_ne!(
                base,
                tag_of(0x7f12_3456_7890 ^ 1 << bit, 64),
                "address bit {bit}"
            );
        }
        for bit in 1..32 {
            assert_ne!(
                base,
                tag_of(0x7f12_3456_7890, 64 ^ 1 << bit),
                "size or kind bit {bit}"
            );
        }
    }

    #[test]
    fn a_tag_is_never_zero_and_never_its_own_opposite() {
        for p in (16..100_000).step_by(16) {
            let tag = tag_of(p, 32);
            let states = [tag, tag ^ TURN, tag ^ SAMPLE];
            assert!(states.iter().all(|state| *state != 0));
            assert!(states[0] != states[1] && states[1] != states[2] && states[0] != states[2]);
        }
    }

    #[test]
    fn size_and_flags_share_a_word_without_touching() {
        let mut memory = [0u128; 8];
        let p = memory.as_mut_ptr().expose_provenance() + 32;
        // SAFETY: inside `memory`.
        let c = unsafe { Chunk::at(p) };
        c.write(64, Kind::Plain, true, true);
        assert!(c.is_used() && c.head().prev_in_use() && c.head().size() == 64);
        c.set_prev_in_use(false);
        assert!(c.is_used() && !c.head().prev_in_use() && c.head().is(Kind::Plain));
        c.mark(false);
        assert!(c.is_freed() && !c.is_used() && c.is_valid());
        c.set_foot(64);
        assert_eq!(c.after(64).before(), c);
    }
}
