//! What the calls cost.

use std::fs::{self, File};
use std::mem::zeroed;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::time::Instant;

use crate::cast::start;
use crate::memory::map;

/// The most samples; then every other one is dropped and the distance doubled.
const SAMPLES: usize = 4096;
/// The first distance, microseconds.
const DISTANCE: u64 = 500;

/// A sample: microseconds since the start, and pages.
type Sample = [u64; 2];

static OVER: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicUsize = AtomicUsize::new(0);

struct Sampler {
    statm: File,
    samples: *mut Sample,
    started: Instant,
}

/// User and system time of the process, seconds, and its page faults.
fn usage() -> (f64, i64) {
    // SAFETY: all zeroes is a valid rusage, which has only numbers in it.
    let mut usage: libc::rusage = unsafe { zeroed() };
    // SAFETY: it outlives the call.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    (
        seconds(usage.ru_utime) + seconds(usage.ru_stime),
        usage.ru_minflt,
    )
}

fn status(key: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    text.lines()
        .find_map(|line| {
            line.strip_prefix(key)?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .unwrap_or(0)
}

/// Resident pages, without an allocation.
fn resident(statm: &File) -> u64 {
    let mut text = [0_u8; 64];
    // SAFETY: the buffer has as many bytes.
    let read = unsafe { libc::pread(statm.as_raw_fd(), text.as_mut_ptr().cast(), text.len(), 0) };
    let text = text
        .get(..usize::try_from(read).unwrap_or(0))
        .unwrap_or_default();
    let second = text.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    second
        .iter()
        .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
}

extern "C" fn sample(sampler: *mut libc::c_void) -> *mut libc::c_void {
    // SAFETY: it outlives this thread, which alone writes the samples.
    let sampler = unsafe { &*sampler.cast::<Sampler>() };
    let mut distance = DISTANCE;
    let mut count = 0;
    // However short it is, its end is seen.
    loop {
        let is_over = OVER.load(Acquire);
        let micros = sampler.started.elapsed().as_micros() as u64;
        // SAFETY: there is room for one more than that.
        unsafe {
            sampler
                .samples
                .add(count)
                .write([micros, resident(&sampler.statm)])
        };
        count += 1;
        if count == SAMPLES {
            for at in 0..SAMPLES / 2 {
                // SAFETY: both were written.
                unsafe { *sampler.samples.add(at) = *sampler.samples.add(2 * at) };
            }
            count /= 2;
            distance *= 2;
        }
        COUNT.store(count, Release);
        if is_over {
            return std::ptr::null_mut();
        }
        // SAFETY: it takes a number.
        unsafe { libc::usleep(distance as u32) };
    }
}

/// Runs something between two looks, and others meanwhile if that is wanted; one line of JSON.
///
/// # Errors
/// Those of what is run.
pub(crate) fn all(
    sampled: bool,
    play: impl FnOnce() -> Result<(), String>,
) -> Result<String, String> {
    // SAFETY: it returns a number.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096) / 1024;
    let mut sampler = Sampler {
        statm: File::open("/proc/self/statm").map_err(|error| error.to_string())?,
        samples: map((SAMPLES + 1) * size_of::<Sample>(), true)?.cast(),
        started: Instant::now(),
    };
    // The most that was resident is counted from here on.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let before_rss = status("VmRSS:");
    let before_hwm = status("VmHWM:");
    let (cpu, faults) = usage();
    sampler.started = Instant::now();
    let thread = match sampled {
        true => Some(start(sample, (&raw mut sampler).cast())?),
        false => None,
    };
    let played = play();
    let wall = sampler.started.elapsed().as_secs_f64();
    let (cpu_after, faults_after) = usage();
    OVER.store(true, Release);
    if let Some(thread) = thread {
        // SAFETY: started and not yet joined.
        unsafe { libc::pthread_join(thread, std::ptr::null_mut()) };
    }
    let peak = status("VmHWM:").saturating_sub(before_hwm);
    let last = status("VmRSS:").saturating_sub(before_rss);
    played?;
    let samples: Vec<String> = (0..COUNT.load(Acquire))
        .map(|at| {
            // SAFETY: so many were written, by a thread that has ended.
            let [micros, pages] = unsafe { *sampler.samples.add(at) };
            let kib = (pages * page).saturating_sub(before_rss);
            format!("[{:.1},{kib}]", micros as f64 / 1e3)
        })
        .collect();
    Ok(format!(
        "{{\"cpu\":{:.6},\"wall\":{wall:.6},\"faults\":{},\"base_kib\":{before_rss},\
         \"peak_kib\":{peak},\"final_kib\":{last},\"samples\":[{}]}}",
        cpu_after - cpu,
        faults_after - faults,
        samples.join(",")
    ))
}
