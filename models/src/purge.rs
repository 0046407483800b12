//! An arena whose pages go back while it is used: the shipped sources of that, around one heap of
//! one region, whose pages are loom's cells. What the kernel does to a page, and what the program
//! does, each counts as a write there: two without an order between them fail the model.

use crate::config::{ALIGN, REGION};
use crate::pages::PageSet;
use crate::stand_in::UnsafeCell;
use crate::stand_in::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use crate::sync::{Guard, Lock};
use batch::Batch;
use extents::Extents;
use heap::Heap;
use loom::cell::UnsafeCell as Watched;
use page_states::Pages;
use std::cell::Cell;
use std::ops::{Deref, DerefMut, Range};
use std::ptr;

pub mod batch {
    shipped!("arena_batch.rs");
}
pub mod extents {
    shipped!("arena_extents.rs");
}
pub mod page_states {
    shipped!("arena_page_states.rs");

    impl<R> Pages<R> {
        /// Of a region that was just entered.
        pub fn new() -> Self {
            Self {
                idle: Cell::new(PageSet::NONE),
                gone: Cell::new(PageSet::NONE),
                busy: AtomicU16::new(0),
                queued: Cell::new(false),
                plain: Cell::new(false),
                stamp: Cell::new(0),
                older: Cell::new(ptr::null_mut()),
                newer: Cell::new(ptr::null_mut()),
            }
        }
        /// Whether the kernel is being asked for any.
        pub fn is_any_busy(&self) -> bool {
            self.busy.load(Acquire) != 0
        }
    }
}
mod trim {
    shipped!("arena_trim_mod.rs");
}
mod vacant {
    shipped!("arena_vacant.rs");
}

/// First byte of the region.
const BASE: usize = 3 << 32;
const PAGE: usize = 4096;
const PAGES: usize = REGION / PAGE;
/// Its states, side memory.
const STATES: usize = 5 << 32;
/// Of the program in a page of its own.
const FULL: usize = 7;
/// Where header and links lie, and foot and fence, as long as the heap is one.
const ENDS: [usize; 2] = [0, PAGES - 1];

/// What there is, made anew for each schedule.
struct World {
    arena: Arena,
    record: records::Record,
    heap: Heap,
    newest: Heap,
    contents: [Watched<usize>; PAGES],
    states: Watched<usize>,
    /// The region was a slot once, and its states are there.
    has_states: Cell<bool>,
    /// The call from which on the kernel takes nothing back, of those that are made.
    refuses_from: Cell<usize>,
    asked: Cell<usize>,
}

struct Owned(Box<World>);
// SAFETY: loom runs one thread of a model at a time, and lets no two use a cell of its own at once.
unsafe impl Sync for Owned {}
// SAFETY: likewise.
unsafe impl Send for Owned {}

loom::lazy_static! {
    static ref WORLD: Owned = Owned(Box::new(World {
        arena: Arena::new(),
        record: records::Record { base: BASE, heap: ptr::null_mut(), pages: Pages::new() },
        heap: Heap { base: BASE, limit: BASE + REGION, older: ptr::null_mut(), end: BASE + REGION },
        newest: Heap { base: 0, limit: 0, older: ptr::null_mut(), end: 0 },
        contents: std::array::from_fn(|_| Watched::new(FULL)),
        states: Watched::new(FULL),
        has_states: Cell::new(false),
        refuses_from: Cell::new(usize::MAX),
        asked: Cell::new(0),
    }));
}

fn world() -> &'static World {
    let world: *const World = &*WORLD.0;
    // SAFETY: it lives as long as the schedule.
    unsafe { &*world }
}

/// The whole region is in use, filled. From its `refuses_from`th call on the kernel takes nothing.
pub fn begin(has_states: bool, refuses_from: usize) -> &'static Arena {
    let world = world();
    // SAFETY: no other thread is there yet.
    unsafe {
        (*ptr::from_ref(&world.record).cast_mut()).heap = ptr::from_ref(&world.heap).cast_mut();
        (*ptr::from_ref(&world.newest).cast_mut()).older = ptr::from_ref(&world.heap).cast_mut();
    }
    world.has_states.set(has_states);
    world.refuses_from.set(refuses_from);
    &world.arena
}

fn set_of(pages: &Range<usize>) -> PageSet {
    PageSet::of(BASE + pages.start * PAGE, BASE + pages.end * PAGE)
}

fn fill(pages: Range<usize>) {
    for page in &world().contents[pages] {
        // SAFETY: loom fails the model if somebody else is here.
        page.with_mut(|c| unsafe { *c = FULL });
    }
}

/// Whether all of these hold what the program wrote there.
fn are_full(mut pages: Range<usize>) -> bool {
    // SAFETY: likewise.
    pages.all(|i| world().contents[i].with(|c| unsafe { *c == FULL }))
}

/// Writes the states of a slot that has just become one.
fn write_states() {
    // SAFETY: likewise.
    world().states.with_mut(|s| unsafe { *s = FULL });
}

pub struct Arena {
    lock: Lock,
    pub purging: Lock,
    refusal: AtomicBool,
    live: AtomicUsize,
    idle: AtomicUsize,
    counters: Counted,
    state: UnsafeCell<State>,
    batch: UnsafeCell<Batch>,
}

pub struct State {
    me: *const Arena,
    top: Top,
    heaps: Heaps,
    decay: Decay,
    extents: Extents,
    waiting: Nothing,
    resting: Nothing,
    /// Pages that hold something of the program's: what headers and slots tell.
    in_use: PageSet,
}

/// Chunks and objects that wait: none.
struct Nothing;

impl Nothing {
    fn bytes(&self) -> usize {
        0
    }
}

pub struct Locked<'a> {
    state: &'a mut State,
    _held: Guard<'a>,
}

impl Deref for Locked<'_> {
    type Target = State;
    fn deref(&self) -> &State {
        self.state
    }
}
impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.state
    }
}
impl Locked<'_> {
    fn arena(&self) -> &'static Arena {
        &world().arena
    }
}

impl Arena {
    fn new() -> Self {
        Self {
            lock: Lock::new(),
            purging: Lock::new(),
            refusal: AtomicBool::new(false),
            live: AtomicUsize::new(0),
            idle: AtomicUsize::new(0),
            counters: Counted::default(),
            state: UnsafeCell::new(State {
                me: ptr::null(),
                top: Top,
                heaps: Heaps {
                    vacant: vacant::Vacant::new(),
                },
                decay: Decay,
                extents: Extents::new(),
                waiting: Nothing,
                resting: Nothing,
                in_use: PageSet::of(BASE, BASE + REGION),
            }),
            batch: UnsafeCell::new(Batch::new()),
        }
    }

    fn lock(&self) -> Locked<'_> {
        let held = self.lock.acquire();
        // SAFETY: the lock is held; loom fails the model if somebody else is here.
        let state = unsafe { &mut *self.state.get() };
        state.me = self;
        Locked { state, _held: held }
    }

    /// Hands out pages that nobody uses, and fills them; whether it could.
    pub fn take(&self, pages: Range<usize>) -> bool {
        let mut state = self.lock();
        if !state.may_take(&pages) {
            return false;
        }
        state.used(BASE + pages.start * PAGE, BASE + pages.end * PAGE);
        state.in_use = state.in_use.with(set_of(&pages));
        drop(state);
        fill(pages);
        true
    }

    /// The same of the whole region, which becomes a slot; its states are written with the arena
    /// locked, before anybody has an object there.
    pub fn take_as_slot(&self) -> bool {
        let mut state = self.lock();
        if !state.may_take(&(0..PAGES)) {
            return false;
        }
        state.used(BASE, BASE + REGION);
        state.in_use = set_of(&(0..PAGES));
        write_states();
        drop(state);
        fill(0..PAGES);
        true
    }

    /// Frees pages that hold what was written there, and settles.
    pub fn free(&self, pages: Range<usize>) {
        self.give_up(pages).settle();
    }

    /// The same without settling.
    pub fn free_only(&self, pages: Range<usize>) {
        drop(self.give_up(pages));
    }

    fn give_up(&self, pages: Range<usize>) -> Locked<'_> {
        assert!(are_full(pages.clone()), "a page went that was in use");
        let mut state = self.lock();
        let (from, to) = (BASE + pages.start * PAGE, BASE + pages.end * PAGE);
        state.in_use = state.in_use.without(set_of(&pages));
        state.extents.vacate(from, to);
        state
    }

    /// What `fork`'s handlers find once they have both locks, in their order: nothing is half done,
    /// and what is not done yet is known. `in_child` is run as they run it, with the locks back.
    pub fn fork(&self, in_child: impl FnOnce(&Self)) {
        self.lock.take();
        self.purging.take();
        assert!(
            !world().record.pages.is_any_busy(),
            "a child would wait for ever"
        );
        if !self.refusal.load(Relaxed) {
            assert!(gone_are_gone(), "the child takes for gone what is there");
        }
        // SAFETY: taken above, and no guard is alive.
        unsafe {
            self.lock.release();
            self.purging.release();
        }
        in_child(self);
    }

    /// A heap that ended begins anew; its pages are nobody's, so nobody is asked about them.
    pub fn begin_heap_anew(&self) -> bool {
        let mut state = self.lock();
        let Some(heap) = state.heaps.vacant.take(REGION) else {
            return false;
        };
        state.in_use = set_of(&(0..PAGES));
        drop(state);
        fill(0..PAGES);
        heap == ptr::from_ref(&world().heap).cast_mut()
    }

    /// Once all threads are done.
    pub fn check(&self) {
        let state = self.lock();
        let pages = &world().record.pages;
        assert!(
            !pages.is_any_busy(),
            "the kernel was asked, and nobody said so"
        );
        assert!(!self.refusal.load(Relaxed), "nobody took what was refused");
        // Nothing is known of the pages of a heap that ended.
        let free = match world().heap.end() {
            BASE => PageSet::NONE,
            _ => set_of(&(0..PAGES)).without(state.in_use),
        };
        assert!(
            pages.free() == free,
            "a free page is lost, or one in use is free"
        );
        assert_eq!(pages.idle().len(), state.extents.idle(), "the sum");
        assert!(gone_are_gone(), "a page that is there is taken for gone");
    }
}

/// Whether the kernel has all pages that are marked as gone.
fn gone_are_gone() -> bool {
    let gone = world().record.pages.gone();
    let is_gone = |i: &usize| !gone.and(set_of(&(*i..*i + 1))).is_empty();
    (0..PAGES).filter(is_gone).all(|i| !are_full(i..i + 1))
}

impl State {
    fn may_take(&self, pages: &Range<usize>) -> bool {
        // SAFETY: the arena's own heap.
        let is_there = world().heap.end() == BASE + REGION;
        is_there && self.in_use.and(set_of(pages)).is_empty()
    }
    fn live(&self) -> usize {
        self.in_use.len() * PAGE
    }
    fn counters(&self) -> &'static Counted {
        &world().arena.counters
    }
    fn top_keeps(&self) -> usize {
        0
    }
    fn shorten(&mut self, _: usize) -> bool {
        false
    }
    fn trim_top(&mut self, _: usize) -> bool {
        false
    }
    fn drop_spare(&mut self) -> bool {
        false
    }
    fn sweep_all(&mut self) {}
    fn dissolve_empty(&mut self, _: usize) {}
    fn unlink(&mut self, c: chunk::Chunk) -> usize {
        c.head().size()
    }
    unsafe fn has_states(_: *mut records::Record) -> bool {
        world().has_states.get()
    }
    unsafe fn take_states(r: *mut records::Record, batch: &mut Batch) {
        // SAFETY: the region's record.
        if world().has_states.get() && unsafe { (*r).pages.gone() }.is_full() {
            batch.add(STATES, STATES + PAGE, batch::Of::Side);
        }
    }
    unsafe fn take_maps(&self, _: usize, _: usize, _: &mut Batch) {}
    /// The region has no neighbours, so it goes again with what is known of it.
    unsafe fn take_maps_around(&mut self, r: *mut records::Record, batch: &mut Batch) {
        // SAFETY: the region's record.
        let gone = unsafe { (*r).pages.gone() };
        if world().has_states.get() && gone.is_full() {
            self.extents.give(r, gone);
            batch.add(BASE, BASE + REGION, batch::Of::Heap);
        }
    }
}

/// All of what is idle goes at once.
struct Decay;
struct Order {
    ended: bool,
    keep: usize,
    most: usize,
}
impl Decay {
    fn step(&mut self, idle: usize, _: usize, _: impl FnOnce() -> usize) -> Option<Order> {
        (idle != 0).then_some(Order {
            ended: false,
            keep: 0,
            most: 0,
        })
    }
    fn refuse(&mut self) {}
    fn is_refused(&self) -> bool {
        false
    }
}
impl Order {
    const NOTHING: Self = Self {
        ended: false,
        keep: usize::MAX,
        most: usize::MAX,
    };
}

/// Top is in another heap, and none of it idle.
struct Top;
impl Top {
    fn at(&self) -> usize {
        0
    }
    fn fresh(&self) -> usize {
        0
    }
    fn used(&self) -> usize {
        0
    }
    fn owed(&self) -> usize {
        0
    }
    fn owe(&mut self, _: usize) {}
    fn is_at_break(&self) -> bool {
        false
    }
    fn pay(&mut self, _: usize) {}
    fn watch(&mut self, _: usize, _: bool) {}
    fn heap(&self) -> *mut Heap {
        ptr::from_ref(&world().newest).cast_mut()
    }
}

struct Heaps {
    vacant: vacant::Vacant,
}
impl Heaps {
    fn bytes(&self) -> usize {
        REGION
    }
    fn take_left(&mut self) -> (usize, usize) {
        (0, 0)
    }
    fn take_many_left(&mut self) -> (usize, usize) {
        (0, 0)
    }
    fn many_left(&self) -> bool {
        false
    }
    fn leave(&mut self, _: usize, _: usize) {}
}

#[derive(Default)]
struct Counted {
    purges: Count,
    purged: Count,
    refused: Count,
    looks: Count,
    shrunk: Count,
}
#[derive(Default)]
struct Count;
impl Count {
    fn add(&self, _: usize) {}
}

mod heap {
    use crate::config::ALIGN;

    pub struct Heap {
        pub base: usize,
        pub limit: usize,
        pub older: *mut Heap,
        pub end: usize,
    }
    impl Heap {
        pub fn is_break(&self) -> bool {
            self.limit == 0
        }
        pub fn end(&self) -> usize {
            self.end
        }
        pub fn end_at(&mut self, end: usize) {
            self.end = end;
        }
        pub fn first(&self) -> usize {
            self.base + ALIGN
        }
        pub fn may_be_huge(&self, _: usize) -> bool {
            false
        }
    }
}

mod records {
    use super::heap::Heap;

    pub struct Record {
        pub base: usize,
        pub heap: *mut Heap,
        pub pages: super::page_states::Pages<Record>,
    }
    pub fn of(_: usize) -> *mut Record {
        std::ptr::from_ref(&super::world().record).cast_mut()
    }
    pub fn forget(_: usize, _: usize) {}
}

/// The heap's only chunk, if it is one.
mod chunk {
    use super::{ALIGN, REGION, world};

    pub struct Chunk;
    pub struct Head {
        free: bool,
    }
    impl Chunk {
        pub unsafe fn at(_: usize) -> Self {
            Self
        }
        pub fn head(&self) -> Head {
            // SAFETY: loom fails the model if somebody else writes; the arena is locked.
            unsafe {
                world().contents[0].with(|c| *c);
                let state = &*world().arena.state.get();
                let ends = super::ENDS.map(|i| super::set_of(&(i..i + 1)));
                let free = state.in_use == ends[0].with(ends[1]);
                Head { free }
            }
        }
        pub fn is_freed(&self) -> bool {
            true
        }
    }
    impl Head {
        pub fn is_free(&self) -> bool {
            self.free
        }
        pub fn size(&self) -> usize {
            REGION - 2 * ALIGN
        }
    }
}

mod region {
    pub unsafe fn leave(_: usize, _: usize) {
        let busy = super::world().record.pages.is_any_busy();
        assert!(
            !busy,
            "what is known of pages goes while they are asked for"
        );
    }
}

mod bins {
    pub const LINKS: usize = 32;
}
mod mark {
    pub fn grew(_: usize) {}
}

mod settings {
    pub struct Silent;
    impl Silent {
        pub fn is_heard_asleep(&self) -> bool {
            false
        }
        pub fn ring(&self) {}
    }
    pub static BELL: Silent = Silent;
    pub fn trim_is_fixed() -> bool {
        false
    }
    pub fn trim_is_by_hand() -> bool {
        false
    }
    pub fn kept_of_top() -> usize {
        0
    }
    pub fn top_pad() -> usize {
        0
    }
    pub fn purge_delay() -> usize {
        1
    }
}

mod os {
    use super::{BASE, PAGE, STATES, world};

    pub fn page() -> usize {
        PAGE
    }
    pub fn now() -> usize {
        0
    }
    /// The answer is written into the batch, which counts as a use of it.
    pub unsafe fn purge(from: usize, len: usize) -> bool {
        let world = world();
        let _ = world.arena.batch.get();
        world.asked.set(world.asked.get() + 1);
        if world.asked.get() > world.refuses_from.get() {
            return false;
        }
        // SAFETY: loom fails the model if somebody else is at one of them.
        unsafe {
            if from == STATES {
                world.states.with_mut(|s| *s = 0);
            } else {
                let first = (from - BASE) / PAGE;
                for page in &world.contents[first..first + len / PAGE] {
                    page.with_mut(|c| *c = 0);
                }
            }
        }
        true
    }
    pub unsafe fn advise_huge(_: usize, _: usize, _: bool) {}
}
