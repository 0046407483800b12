//! The size word of a chunk's header: size, the flag P, kind.

/// P: the chunk before is anything but free in a bin.
pub const PREV_IN_USE: u32 = 1;
/// The bits of the kind.
pub const KIND: u32 = 0b1110;
const FLAGS: u32 = PREV_IN_USE | KIND;

/// What a chunk is; part of what the tag covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Kind {
    /// In use, cached or waiting in a fastbin: the tag says whether it is freed.
    Plain = 0,
    /// A mapping of its own; its size is in the registry.
    Mapped = 0b0010,
    /// Free and linked in a bin.
    Free = 0b0100,
    /// The inside is a slot of a run.
    Run = 0b0110,
    /// The last chunk of the growing heap; its end is in the arena.
    Top = 0b1000,
    /// Ends a heap that cannot grow.
    Fence = 0b1010,
    /// A header that is none any more: it lies inside a larger chunk since it was merged. What is
    /// left of it must not be taken for a free chunk's, and whoever reads it there learns nothing
    /// of a tag that is in force.
    Gone = 0b1110,
}

/// The size word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head(u32);

impl Head {
    /// What a size word says.
    #[inline(always)]
    pub const fn of(word: u32) -> Self {
        Self(word)
    }
    /// Bytes, header included.
    #[inline(always)]
    pub const fn size(self) -> usize {
        (self.0 & !FLAGS) as usize
    }
    /// Whether the chunk before is anything but free in a bin.
    #[inline(always)]
    pub const fn prev_in_use(self) -> bool {
        self.0 & PREV_IN_USE != 0
    }
    /// Size and kind, as the tag covers them.
    #[inline(always)]
    pub const fn covered(self) -> u32 {
        self.0 & !PREV_IN_USE
    }
    /// Whether the tag covers just this: one comparison that leaves P out.
    #[inline(always)]
    pub const fn covers(self, covered: u32) -> bool {
        self.0 ^ covered <= PREV_IN_USE
    }
    /// Whether this is linked in a bin.
    #[inline(always)]
    pub const fn is_free(self) -> bool {
        self.is(Kind::Free)
    }
    /// Whether this is a chunk of that kind.
    #[inline(always)]
    pub const fn is(self, kind: Kind) -> bool {
        self.0 & KIND == kind as u32
    }
}

/// What the tag hashes of a size word without its P. Kinds other than plain set the bit of P: of
/// a tag that was freed anybody can make the one in use, which must be none that `free` takes.
#[inline(always)]
pub const fn domain(covered: u32) -> u32 {
    covered | (covered & KIND != 0) as u32
}
