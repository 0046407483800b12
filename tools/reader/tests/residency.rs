//! Which pages are resident, told in both ways that kernels have.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod child;

use cairn_reader::Target;
use cairn_reader::pages::Resident;
use cairn_reader::process::Process;
use cairn_reader::stop::Stopped;
use child::{Playing, fill, plays, ready, wait};
use std::hint::black_box;

#[global_allocator]
static ALLOCATOR: cairn::Cairn = cairn::Cairn;

/// Written, only read, and never touched pages.
fn play() -> ! {
    const PART: usize = 256 * 4096;
    let kept = fill(1000, 7);
    let mut all = vec![0_u8; 3 * PART];
    all.iter_mut()
        .take(PART)
        .step_by(4096)
        .for_each(|byte| *byte = 1);
    let read: u64 = all
        .iter()
        .skip(PART)
        .take(PART)
        .step_by(4096)
        .map(|b| u64::from(*b))
        .sum();
    let _kept = black_box((kept, all, read));
    ready();
    wait();
}

#[test]
fn pages_are_counted_as_the_kernel_counts_them() {
    if plays("touches") {
        play();
    }
    if child::cannot_look() {
        return;
    }
    let child = Playing::start(
        "pages_are_counted_as_the_kernel_counts_them",
        "touches",
        &[],
    );
    let mut process = Process::open(child.pid()).expect("it is there");
    let stopped = Stopped::stop(&process).expect("it stops");
    process.look().expect("it is there");
    for way in ["as the kernel can", "by pagemap alone"] {
        let mut resident = Resident::new(&process);
        let mut all = 0;
        for map in process
            .maps()
            .iter()
            .filter(|m| m.readable && !m.name.starts_with("[v"))
        {
            let bytes = resident.bytes(map.from, map.to);
            assert_eq!(bytes, map.rss, "{way}: {map:?}");
            all += bytes;
        }
        assert!(all > 2 << 20);
        process.without_scan();
    }
    drop(stopped);
}
