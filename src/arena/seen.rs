//! What a walk through the heap shows, and what is broken there.

/// A broken invariant: its number, and the address at which it showed.
///
/// ```
/// if let Err(cairn::Broken { invariant, address }) = cairn::check_heap() {
///     eprintln!("I{invariant} does not hold at {address:#x}");
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Broken {
    /// The number in `docs/design.md`.
    pub invariant: u8,
    /// A payload, a bin's number (I6), or a region's base.
    pub address: usize,
}

/// What a chunk of the walk is; see [`crate::walk`].
///
/// ```
/// let mut bytes_of_slots = 0;
/// let walked = cairn::walk(&mut |chunk| match chunk.role {
///     cairn::Role::Run => bytes_of_slots += chunk.size,
///     _ => {}
/// });
/// assert!(walked.is_ok());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Handed out.
    InUse,
    /// Freed, in a thread's cache.
    Cached,
    /// Freed, waiting in a fastbin.
    Fast,
    /// Free and linked in a bin.
    Free,
    /// A slot of runs; how much of it is free is beside it.
    Run,
    /// The last chunk of the newest heap.
    Top,
    /// The end of an older heap.
    Fence,
}

/// One chunk of the walk; see [`crate::walk`].
///
/// ```
/// #[global_allocator]
/// static HEAP: cairn::Cairn = cairn::Cairn;
///
/// let large = vec![1_u8; 60_000];
/// let (at, mut found) = (large.as_ptr().addr(), None::<cairn::View>);
/// let walked = cairn::walk(&mut |chunk| {
///     if chunk.payload == at {
///         found = Some(chunk);
///     }
/// });
/// assert!(walked.is_ok() && found.is_some_and(|chunk| chunk.size > 60_000));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct View {
    /// Index of the arena.
    pub arena: usize,
    /// First byte of the heap.
    pub heap: usize,
    /// Payload.
    pub payload: usize,
    /// Bytes, header included.
    pub size: usize,
    /// What it is.
    pub role: Role,
    /// Its "previous in use" flag.
    pub prev_in_use: bool,
    /// The `prev_size` field in front of its header; it means something only behind a free chunk.
    pub prev_size: usize,
    /// Bytes of a slot that no object has; of all else 0.
    pub vacant: usize,
}

/// Short for where it is said.
pub(super) const fn no(invariant: u8, address: usize) -> Broken {
    Broken { invariant, address }
}
