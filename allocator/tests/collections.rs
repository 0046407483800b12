//! Collections in Cairn, in a program whose global allocator is the system's.
#![allow(clippy::expect_used, reason = "a test reports by panicking")]

use allocator_api2::alloc::{Allocator, Layout};
use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec;
use cairn_allocator_api2::InCairn;
use std::ptr::NonNull;
use std::thread;

fn usable<T>(p: *const T) -> usize {
    // SAFETY: a live object of Cairn's or of the system's.
    unsafe { cairn::usable_size(p.cast()) }
}

#[test]
fn a_vector_in_cairn_is_there_and_the_program_s_others_are_not() {
    let mut inside = Vec::new_in(InCairn);
    let mut outside = std::vec::Vec::new();
    for number in 0..200_000_u64 {
        inside.push(number);
        outside.push(number);
    }
    assert!(usable(inside.as_ptr()) >= 1_600_000 && usable(outside.as_ptr()) == 0);
    assert_eq!(inside.as_slice(), outside);
    inside.truncate(10);
    inside.shrink_to_fit();
    assert_eq!(inside.as_slice(), &outside[..10]);
    assert!(cairn::check_heap().is_ok());
}

#[test]
fn another_thread_may_free() {
    let boxed = Box::new_in([7_u8; 1000], InCairn);
    let sum = thread::spawn(move || boxed.iter().map(|byte| usize::from(*byte)).sum::<usize>());
    assert_eq!(sum.join().expect("the thread ends well"), 7000);
}

#[test]
fn every_call_keeps_size_alignment_and_content() {
    for power in 0..=13 {
        let align = 1 << power;
        for size in [0, 1, 24, 600, 5000, 200_000] {
            let layout = |size| Layout::from_size_align(size, align).expect("a layout");
            let other = Layout::from_size_align(size * 2 + 64, align * 2).expect("a layout");
            let all = |p: NonNull<[u8]>, byte: u8, bytes: usize| {
                // SAFETY: so many bytes were allocated and written.
                (0..bytes).all(|i| unsafe { p.cast::<u8>().add(i).read() } == byte)
            };
            // SAFETY: each object is resized and given back with the layout it has.
            unsafe {
                let p = InCairn.allocate_zeroed(layout(size)).expect("memory");
                assert!(p.len() == size && all(p, 0, size));
                assert!(p.cast::<u8>().addr().get().is_multiple_of(align));
                p.cast::<u8>().write_bytes(0xa5, size);
                let p = InCairn.grow_zeroed(p.cast(), layout(size), layout(size + 100));
                let p = p.expect("memory");
                assert!(p.len() == size + 100 && all(p, 0xa5, size));
                let rest = NonNull::slice_from_raw_parts(p.cast::<u8>().add(size), 100);
                assert!(all(rest, 0, 100));
                let p = InCairn.grow(p.cast(), layout(size + 100), layout(size * 2 + 100));
                let p = p.expect("memory");
                assert!(p.len() == size * 2 + 100 && all(p, 0xa5, size));
                // Another alignment, and fewer bytes.
                let p = InCairn
                    .shrink(p.cast(), layout(size * 2 + 100), other)
                    .expect("memory");
                assert!(p.cast::<u8>().addr().get().is_multiple_of(align * 2));
                assert!(all(p, 0xa5, size));
                let p = InCairn.shrink(
                    p.cast(),
                    other,
                    Layout::from_size_align(0, align * 2).expect("a layout"),
                );
                let p = p.expect("nothing needs no memory");
                assert!(p.is_empty() && usable(p.cast::<u8>().as_ptr()) == 0);
                InCairn.deallocate(
                    p.cast(),
                    Layout::from_size_align(0, align * 2).expect("a layout"),
                );
            }
        }
    }
    assert!(cairn::check_heap().is_ok());
}

#[test]
fn what_no_system_grants_is_an_error() {
    let layout = Layout::from_size_align(isize::MAX as usize - 4095, 4096).expect("a layout");
    assert!(InCairn.allocate(layout).is_err());
    assert!(InCairn.allocate_zeroed(layout).is_err());
}
