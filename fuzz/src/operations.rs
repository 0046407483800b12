//! Sequences of every call with all parameters, held against the shadow.

use crate::count;
use crate::fresh::{Fresh, survive};
use crate::scene::{Scene, tell};
use crate::source::Source;
use std::ffi::CString;

/// Steps of a run, at least.
pub const STEPS: usize = 200;

/// The environments a run may begin with; most begin with none.
pub const MODES: [&str; 12] = [
    "",
    "",
    "",
    "CAIRN_RUN_MAX=0",
    "CAIRN_RUN_MAX=0",
    "CAIRN_RUN_MAX=48",
    "GLIBC_TUNABLES=glibc.malloc.tcache_count=0",
    "GLIBC_TUNABLES=glibc.malloc.tcache_count=3:glibc.malloc.arena_max=1",
    "MALLOC_PERTURB_=165",
    "MALLOC_CHECK_=1",
    "MALLOC_CHECK_=3",
    "MALLOC_MMAP_THRESHOLD_=40000",
];

/// The variables that a choice stands for, and the one that has fatal lines show the address.
pub fn mode(text: &str) -> Vec<CString> {
    let variable = (!text.is_empty()).then(|| CString::new(text));
    let address = CString::new("CAIRN_ADDRESS=1");
    variable.into_iter().chain([address]).flatten().collect()
}

fn run(scene: &mut Scene) {
    let steps = scene.more_than(STEPS);
    while scene.steps < steps {
        scene.step();
    }
    scene.end();
}

/// The target.
///
/// # Panics
/// When Cairn breaks a promise, or ends the process.
pub fn operations(data: &[u8]) {
    let mut source = Source::new(data);
    let text = source.of(&MODES);
    tell!("environment {text:?}");
    let heap = Fresh::new(mode(text), source.below(16) == 0);
    let mut scene = Scene::new(source);
    let died = survive(run, &mut scene);
    drop(heap);
    count(scene.steps);
    if let Some(said) = died {
        panic!("ended at step {}: {said}", scene.steps);
    }
}
