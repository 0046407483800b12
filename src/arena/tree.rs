//! Large bins: in each a tree of the sizes in it, so that the smallest chunk that fits is found in
//! as many steps as a size has bits, whatever else is in the bin.
//!
//! ```text
//!            root                      field    0     1     2      3
//!           /    \                            | next| back|lower|higher| …
//!       lower    higher --next--> same size   '- payload of a free chunk
//! ```
//!
//! A step to a child decides one more bit of the size, the highest first, as in the tree bins of
//! Lea's malloc. A node may have any size that the bits above it allow. Chunks of one size hang
//! behind the one that is the node; the newest is next to it, and is taken first.
//!
//! As in the lists, no link is followed before the region table and the header it leads to say that
//! it may be, and nothing leaves unless what it hangs on points back (I6).

use super::State;
use super::bins::{LARGE, index};
use crate::chunk::Chunk;
use crate::fatal;

/// Fields of a free chunk's payload, words.
const NEXT: usize = 0;
/// Of a node its parent, marked as such by [`NODE`]; of what hangs behind one, the one in front.
const BACK: usize = 1;
const LOWER: usize = 2;
const HIGHER: usize = 3;
/// Words that a chunk in a tree has for its links: as many as glibc's large chunks.
const FIELDS: usize = 4;
const NODE: usize = 1;
/// The way back of a root.
const ROOT: usize = 4 | NODE;
/// What a field holds that leads nowhere: not 0, so that memory that was cleared after its free is
/// no field. Such a one is read as [`CLEARED`], which is nobody's address.
const NOTHING: usize = 1;
const CLEARED: usize = 2;

/// The highest bit of a size that a bin does not tell.
const fn first_bit(bin: usize) -> u32 {
    ((bin - LARGE) / 8 + 6) as u32
}

/// The smallest size of a bin.
const fn least(bin: usize) -> usize {
    (8 + (bin - LARGE) % 8) << ((bin - LARGE) / 8 + 7)
}

/// On which side of a node a size lies.
const fn side(size: usize, bit: u32) -> usize {
    LOWER + (size >> bit & 1)
}

/// What a field leads to; 0 for nowhere.
fn get(c: Chunk, field: usize) -> usize {
    match c.link(field) {
        NOTHING => 0,
        0 => CLEARED,
        to => to,
    }
}

/// Leads a field somewhere; 0 for nowhere.
fn set(c: Chunk, field: usize, to: usize) {
    c.set_link(field, if to == 0 { NOTHING } else { to });
}

fn broken(c: Chunk) -> ! {
    fatal::die("corrupted double-linked list", c.payload());
}

impl State {
    /// Puts a free chunk, its header and foot written, into a large bin.
    pub(super) fn plant(&mut self, c: Chunk, size: usize) {
        let bin = index(size);
        for field in 0..FIELDS {
            set(c, field, 0);
        }
        let mut at = self.bins.root(bin);
        if at == 0 {
            c.set_link(BACK, ROOT);
            self.bins.set_root(bin, c.payload());
            return;
        }
        let mut bit = first_bit(bin);
        loop {
            let node = self.follow(c, at, bin);
            if node.head().size() == size {
                let next = get(node, NEXT);
                if next != 0 {
                    let next = self.follow(c, next, bin);
                    if next.link(BACK) != node.payload() {
                        broken(c);
                    }
                    next.set_link(BACK, c.payload());
                }
                set(c, NEXT, next);
                c.set_link(BACK, node.payload());
                set(node, NEXT, c.payload());
                return;
            }
            let side = side(size, bit);
            at = get(node, side);
            if at == 0 {
                c.set_link(BACK, node.payload() | NODE);
                set(node, side, c.payload());
                return;
            }
            bit -= 1;
            if bit < 3 {
                broken(c); // sizes that agree in all bits are the same
            }
        }
    }

    /// Takes a free chunk of `size` bytes out of its large bin.
    pub(super) fn uproot(&mut self, c: Chunk, size: usize) {
        let bin = index(size);
        let next = get(c, NEXT);
        if c.link(BACK) & NODE == 0 {
            // Only a node has children.
            if get(c, LOWER) != 0 || get(c, HIGHER) != 0 {
                broken(c);
            }
            let prev = self.follow(c, c.link(BACK), bin);
            if get(prev, NEXT) != c.payload() {
                broken(c);
            }
            if next != 0 {
                let next = self.follow(c, next, bin);
                if next.link(BACK) != c.payload() {
                    broken(c);
                }
                next.set_link(BACK, prev.payload());
            }
            set(prev, NEXT, next);
        } else {
            let heir = if next != 0 {
                let heir = self.follow(c, next, bin);
                if heir.link(BACK) != c.payload() {
                    broken(c);
                }
                Some(heir)
            } else {
                self.take_leaf(c, bin)
            };
            self.replace(c, heir, bin);
        }
        // Whoever is given the memory learns no address from it.
        for field in 0..FIELDS {
            c.set_link(field, 0);
        }
    }

    /// A node below `c` without children, which is no longer its parent's; none if `c` has none.
    fn take_leaf(&self, c: Chunk, bin: usize) -> Option<Chunk> {
        let mut node = c;
        for _ in 0..usize::BITS {
            let side = if get(node, HIGHER) != 0 {
                HIGHER
            } else {
                LOWER
            };
            let child = get(node, side);
            if child == 0 {
                break;
            }
            let child = self.follow(c, child, bin);
            if child.link(BACK) != node.payload() | NODE {
                broken(c);
            }
            if get(child, LOWER) == 0 && get(child, HIGHER) == 0 {
                set(node, side, 0);
                return Some(child);
            }
            node = child;
        }
        if node == c { None } else { broken(c) }
    }

    /// Puts `heir` where `c` is in the tree, or nothing.
    fn replace(&mut self, c: Chunk, heir: Option<Chunk>, bin: usize) {
        let to = heir.map_or(0, Chunk::payload);
        let parent = c.link(BACK);
        if parent == ROOT {
            if self.bins.root(bin) != c.payload() {
                broken(c);
            }
            self.bins.set_root(bin, to);
        } else {
            let above = self.follow(c, parent & !NODE, bin);
            let side = if get(above, LOWER) == c.payload() {
                LOWER
            } else {
                HIGHER
            };
            if get(above, side) != c.payload() {
                broken(c);
            }
            set(above, side, to);
        }
        let Some(heir) = heir else { return };
        heir.set_link(BACK, parent);
        for side in [LOWER, HIGHER] {
            let child = get(c, side);
            set(heir, side, child);
            if child != 0 {
                let child = self.follow(c, child, bin);
                if child.link(BACK) != c.payload() | NODE {
                    broken(c);
                }
                child.set_link(BACK, heir.payload() | NODE);
            }
        }
    }

    /// The smallest chunk of a large bin that has at least so many bytes, still linked.
    pub(super) fn ceiling(&self, bin: usize, size: usize) -> Option<Chunk> {
        let size = size.max(least(bin));
        let mut best: Option<(Chunk, usize)> = None;
        let mut see = |c: Chunk| {
            let s = c.head().size();
            if s >= size && best.is_none_or(|(_, b)| s < b) {
                best = Some((c, s));
            }
        };
        let (mut at, mut above) = (self.front(bin), None);
        for bit in (3..=first_bit(bin)).rev() {
            let Some(node) = at else { break };
            see(node);
            let side = side(size, bit);
            if side == LOWER && get(node, HIGHER) != 0 {
                above = Some(node);
            }
            at = self.led(node, side, bin);
        }
        // All in there are larger; the smallest is on the way that keeps low.
        at = above.and_then(|node| self.led(node, HIGHER, bin));
        for _ in 0..usize::BITS {
            let Some(node) = at else { break };
            see(node);
            let lower = self.led(node, LOWER, bin);
            at = lower.or_else(|| self.led(node, HIGHER, bin));
        }
        let (node, _) = best?;
        self.led(node, NEXT, bin).or(Some(node))
    }

    /// Where a field leads; none for nowhere. One that was overwritten ends the process: what hangs
    /// on it would be passed over, and nobody told.
    fn led(&self, from: Chunk, field: usize, bin: usize) -> Option<Chunk> {
        match get(from, field) {
            0 => None,
            to => Some(self.follow(from, to, bin)),
        }
    }

    /// The chunk that hangs behind this one, of the same size.
    pub(super) fn next_alike(&self, c: Chunk, bin: usize) -> Option<Chunk> {
        self.led(c, NEXT, bin)
    }

    /// Calls `f` with each chunk of a large bin; the address at which a link is broken.
    pub(super) fn walk_tree(&self, bin: usize, f: &mut dyn FnMut(Chunk)) -> Result<(), usize> {
        let mut at = self.bins.root(bin);
        let mut from = ROOT & !NODE;
        while at > ROOT {
            let node = self.checked(at, bin)?;
            if node.link(BACK) & NODE == 0 {
                return Err(at);
            }
            let parent = node.link(BACK) & !NODE;
            let (lower, higher) = (get(node, LOWER), get(node, HIGHER));
            if from == parent {
                f(node);
                self.walk_list(node, bin, f)?;
            }
            let next = if from == parent && lower != 0 {
                lower
            } else if (from == parent || from == lower) && higher != 0 {
                higher
            } else {
                parent
            };
            if next != parent && self.checked(next, bin)?.link(BACK) != at | NODE {
                return Err(next);
            }
            (from, at) = (at, next);
        }
        Ok(())
    }

    /// Calls `f` with each chunk that hangs behind a node.
    fn walk_list(&self, node: Chunk, bin: usize, f: &mut dyn FnMut(Chunk)) -> Result<(), usize> {
        let mut last = node;
        while let at @ 1.. = get(last, NEXT) {
            let c = self.checked(at, bin)?;
            if c.link(BACK) != last.payload() || c.head().size() != node.head().size() {
                return Err(at);
            }
            f(c);
            last = c;
        }
        Ok(())
    }
}
