//! What an arena's slow paths have done so far, where a reader outside finds it: [`OFFSET`] bytes
//! into each arena, the main one of [`super::descriptor::Descriptor::main`] and those that its
//! `others` name.
//!
//! A cliff shows here before it shows in time: much looked at for little that went, or memory that
//! goes and comes again. The counts only grow, and each
//! stands for itself; those of a heap of the program's own end with it.

/// Bytes from the beginning of an arena to its counters.
pub const OFFSET: usize = 80;
/// Bytes of the counters.
pub const BYTES: usize = size_of::<Counters>();

/// All of them, as they lie there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Counters {
    /// Times that heaps became longer, or began.
    pub growths: usize,
    /// Bytes by which they did.
    pub grown: usize,
    /// Bytes by which heaps became shorter, or ended.
    pub shrunk: usize,
    /// Regions whose waiting chunks were merged.
    pub sweeps: usize,
    /// Regions and heaps that were looked at for what could go.
    pub looks: usize,
    /// Times that the kernel was asked to take pages.
    pub purges: usize,
    /// Bytes of pages that it was asked for.
    pub purged: usize,
    /// Bytes that it would not take.
    pub refused: usize,
}

impl Counters {
    /// Reads them.
    pub fn read(bytes: &[u8; BYTES]) -> Self {
        let mut words = bytes.as_chunks().0.iter();
        let mut next = || words.next().map_or(0, |word| usize::from_le_bytes(*word));
        Self {
            growths: next(),
            grown: next(),
            shrunk: next(),
            sweeps: next(),
            looks: next(),
            purges: next(),
            purged: next(),
            refused: next(),
        }
    }
}
