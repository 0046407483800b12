//! The threads of a script, and their steps.
//!
//! A slot holds an object's address and its turn. Who is to free an object waits until its slot has
//! both; nothing else is waited for. A slot is used again only by the thread that freed what was in
//! it, so its turns follow one another.

use std::fs::File;
use std::hint;
use std::mem::{MaybeUninit, zeroed};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};
use std::time::Instant;

use libc::{c_void, pthread_t};
use wire::script::{ALIGNMENT, Act, HIGH, Header, LOW, MAGIC, Step, Thread};

use crate::memory::map;

/// Steps that are read at once.
const READ: usize = 2048;
/// Looks at a slot before a thread sleeps.
const LOOKS: u32 = 256;
/// The longest sleep, nanoseconds.
const NAP: i64 = 200_000;
/// Up to this size each line is written, beyond each page.
const LINES: usize = 32 << 10;
const LINE: usize = 64;
const PAGE: usize = 4096;
/// Bytes of a thread's stack: its steps are there.
const STACK: usize = 512 << 10;
/// What the null allocator hands out, at least, bytes.
const NULL: usize = 1 << 20;

/// What all threads know.
struct Stage {
    file: RawFd,
    slots: *const AtomicU64,
    null: *mut u8,
    paced: bool,
    started: Instant,
}

/// A thread with its part.
struct Role {
    part: Thread,
    stage: *const Stage,
    failed: AtomicUsize,
    thread: pthread_t,
}

/// A script, ready to be played.
pub(crate) struct Cast {
    stage: Stage,
    roles: *mut Role,
    count: usize,
}

/// Threads that have done all their steps, by how many were over before.
static OVER: AtomicUsize = AtomicUsize::new(0);

fn read(file: RawFd, to: *mut u8, size: usize, at: u64) -> Result<(), String> {
    // SAFETY: the buffer has as many bytes.
    let read = unsafe { libc::pread(file, to.cast(), size, at.cast_signed()) };
    if usize::try_from(read) == Ok(size) {
        Ok(())
    } else {
        Err("the script is cut short".to_owned())
    }
}

/// Starts a thread with a small stack.
///
/// # Errors
/// It does not start.
pub(crate) fn start(
    what: extern "C" fn(*mut c_void) -> *mut c_void,
    with: *mut c_void,
) -> Result<pthread_t, String> {
    let mut attributes = MaybeUninit::uninit();
    let mut thread = MaybeUninit::uninit();
    // SAFETY: the attributes are made before they are used; the argument outlives the thread.
    unsafe {
        libc::pthread_attr_init(attributes.as_mut_ptr());
        libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), STACK);
        if libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), what, with) != 0 {
            return Err("a thread does not start".to_owned());
        }
        Ok(thread.assume_init())
    }
}

impl Cast {
    /// Of a script's file.
    ///
    /// # Errors
    /// It is none, or there is no memory.
    pub(crate) fn of(file: &File, null: bool, paced: bool) -> Result<Self, String> {
        let fd = file.as_raw_fd();
        let mut header = Header::default();
        read(fd, (&raw mut header).cast(), size_of::<Header>(), 0)?;
        if header.magic != MAGIC {
            return Err("that is no script of this version".to_owned());
        }
        let number = |value: u64| usize::try_from(value).map_err(|error| error.to_string());
        let count = number(header.threads)?;
        let slots = map((number(header.slots)? + 1) * size_of::<AtomicU64>(), true)?;
        let region = if null {
            map(number(header.largest)?.max(NULL) + PAGE, false)?
        } else {
            null_mut()
        };
        let roles: *mut Role = map(count.max(1) * size_of::<Role>(), true)?.cast();
        for at in 0..count {
            let mut part = Thread::default();
            let offset = size_of::<Header>() + at * size_of::<Thread>();
            read(
                fd,
                (&raw mut part).cast(),
                size_of::<Thread>(),
                offset as u64,
            )?;
            let role = Role {
                part,
                stage: null_stage(),
                failed: AtomicUsize::new(0),
                // SAFETY: a number.
                thread: unsafe { zeroed() },
            };
            // SAFETY: there is room for so many.
            unsafe { roles.add(at).write(role) };
        }
        Ok(Self {
            stage: Stage {
                file: fd,
                slots: slots.cast(),
                null: region,
                paced,
                started: Instant::now(),
            },
            roles,
            count,
        })
    }

    /// Makes all calls.
    ///
    /// # Errors
    /// A thread does not start, or an allocation fails.
    pub(crate) fn play(mut self) -> Result<(), String> {
        if self.count == 0 {
            return Ok(());
        }
        self.stage.started = Instant::now();
        for at in 0..self.count {
            // SAFETY: so many were written.
            unsafe { (*self.roles.add(at)).stage = &raw const self.stage };
        }
        // The first thread's part is the first thread's, which may have an arena of its own.
        let starter = start(start_others, (&raw mut self).cast())?;
        perform(self.roles.cast());
        let mut failed = null_mut();
        // SAFETY: started and not yet joined.
        unsafe { libc::pthread_join(starter, &raw mut failed) };
        if !failed.is_null() {
            return Err("a thread does not start".to_owned());
        }
        // SAFETY: all threads have ended.
        let failed: usize = (0..self.count)
            .map(|at| unsafe { (*self.roles.add(at)).failed.load(Relaxed) })
            .sum();
        match failed {
            0 => Ok(()),
            count => Err(format!("{count} allocations failed that the program got")),
        }
    }
}

fn null_stage() -> *const Stage {
    null()
}

/// Starts the other threads, each when those have ended that the program's had ended before.
extern "C" fn start_others(cast: *mut c_void) -> *mut c_void {
    // SAFETY: it outlives this thread.
    let cast = unsafe { &*cast.cast::<Cast>() };
    for at in 1..cast.count {
        // SAFETY: so many were written.
        let role = unsafe { &mut *cast.roles.add(at) };
        while OVER.load(Acquire) < role.part.after as usize {
            nap(NAP / 4);
        }
        match start(perform, (&raw mut *role).cast()) {
            Ok(thread) => role.thread = thread,
            Err(_) => return cast.roles.cast(),
        }
    }
    for at in 1..cast.count {
        // SAFETY: started and not yet joined.
        unsafe { libc::pthread_join((*cast.roles.add(at)).thread, null_mut()) };
    }
    null_mut()
}

fn nap(nanos: i64) {
    let time = libc::timespec {
        tv_sec: nanos / 1_000_000_000,
        tv_nsec: nanos % 1_000_000_000,
    };
    // SAFETY: the time outlives the call.
    unsafe { libc::nanosleep(&raw const time, null_mut()) };
}

/// A thread's part.
extern "C" fn perform(role: *mut c_void) -> *mut c_void {
    // SAFETY: the role is this thread's, and outlives it.
    let role = unsafe { &*role.cast::<Role>() };
    // SAFETY: so does the stage.
    let stage = unsafe { &*role.stage };
    let mut steps = [Step::default(); READ];
    let (mut done, mut due) = (0, 0);
    while done < role.part.steps {
        let count = usize::try_from(role.part.steps - done)
            .unwrap_or(READ)
            .min(READ);
        let at = role.part.offset + done * size_of::<Step>() as u64;
        if read(
            stage.file,
            steps.as_mut_ptr().cast(),
            count * size_of::<Step>(),
            at,
        )
        .is_err()
        {
            role.failed.fetch_add(1, Relaxed);
            break;
        }
        for step in steps.iter().take(count) {
            if stage.paced {
                due += step.time & LOW;
                stage.wait_until(due);
            }
            if !stage.make(step) {
                role.failed.fetch_add(1, Relaxed);
            }
        }
        done += count as u64;
    }
    OVER.fetch_add(1, Release);
    null_mut()
}

impl Stage {
    fn wait_until(&self, due: u64) {
        let now = self.started.elapsed().as_nanos() as u64;
        // Less than the kernel's own delay is not worth a sleep.
        if due > now + 60_000 {
            nap((due - now).cast_signed());
        }
    }

    fn slot(&self, step: &Step) -> &AtomicU64 {
        // SAFETY: there are as many slots as the script says.
        unsafe { &*self.slots.add(step.slot as usize) }
    }

    /// One call; whether it got what the program got.
    fn make(&self, step: &Step) -> bool {
        let size = (step.size & LOW) as usize;
        let turn = step.size >> HIGH;
        let act = (step.time >> HIGH) as u8;
        let slot = self.slot(step);
        if act == Act::Free as u8 {
            let pointer = self.object(slot, turn);
            slot.store(0, Relaxed);
            if self.null.is_null() && !pointer.is_null() {
                // SAFETY: it lives, and nobody else has it.
                unsafe { libc::free(pointer) };
            }
            return true;
        }
        let (pointer, turn) = if act == Act::Realloc as u8 {
            let old = self.object(slot, turn);
            (self.realloc(old, size), (turn + 1) & 0xffff)
        } else {
            (self.allocate(act, step.time >> ALIGNMENT, size), turn)
        };
        if pointer.is_null() && size != 0 {
            slot.store(FAILED | turn << HIGH, Release);
            return false;
        }
        touch(pointer.cast(), size, step.touch);
        let address = if pointer.is_null() {
            FAILED
        } else {
            pointer.addr() as u64
        };
        slot.store(address | turn << HIGH, Release);
        true
    }

    fn allocate(&self, act: u8, power: u64, size: usize) -> *mut c_void {
        if !self.null.is_null() {
            return self.null.cast();
        }
        // SAFETY: calls of the kind that the program made.
        unsafe {
            match act {
                act if act == Act::Calloc as u8 => libc::calloc(1, size),
                act if act == Act::Aligned as u8 => {
                    let mut pointer = null_mut();
                    let alignment = (1_usize << (power & 63)).max(size_of::<usize>());
                    libc::posix_memalign(&raw mut pointer, alignment, size);
                    pointer
                }
                _ => libc::malloc(size),
            }
        }
    }

    fn realloc(&self, old: *mut c_void, size: usize) -> *mut c_void {
        if !self.null.is_null() {
            return self.null.cast();
        }
        // SAFETY: it lives, and nobody else has it.
        unsafe { libc::realloc(old, size) }
    }

    /// The object that a slot has on that turn: waits for it.
    fn object(&self, slot: &AtomicU64, turn: u64) -> *mut c_void {
        let mut looks = 0;
        loop {
            let word = slot.load(Acquire);
            if word & LOW != 0 && word >> HIGH == turn {
                let address = word & LOW;
                return if address == FAILED {
                    null_mut()
                } else {
                    address as usize as *mut c_void
                };
            }
            looks += 1;
            if looks < LOOKS {
                hint::spin_loop();
            } else {
                nap((i64::from(looks - LOOKS) * 1000).min(NAP));
            }
        }
    }
}

/// The address of what an allocator refused.
const FAILED: u64 = 1;

/// Writes as much of an object as the program did.
#[inline(always)]
fn touch(pointer: *mut u8, size: usize, share: u32) {
    if size == 0 || share == 0 {
        return;
    }
    let (size, step) = match size {
        ..=LINES => (size, LINE),
        _ => (
            size / 255 * share as usize + size % 255 * share as usize / 255,
            PAGE,
        ),
    };
    let mut at = 0;
    while at < size {
        // SAFETY: it is inside the object, which nobody else knows yet.
        unsafe { pointer.add(at).write_volatile(1) };
        at += step;
    }
}
