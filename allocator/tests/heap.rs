//! Collections that lie in a heap of the program's own.
#![allow(clippy::expect_used, reason = "a test reports by panicking")]

use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec;
use cairn_allocator_api2::Heap;

#[test]
fn a_vector_grows_and_shrinks_in_its_heap_up_to_the_limit() {
    let heap = Heap::new("numbers", Some(8 << 20)).expect("a heap");
    let mut numbers = Vec::new_in(&heap);
    for n in 0..200_000_u64 {
        numbers.push(n);
    }
    assert!(numbers.iter().copied().eq(0..200_000));
    assert!(heap.stats().in_use >= 1_600_000);
    numbers.truncate(100);
    numbers.shrink_to_fit();
    assert!(numbers.iter().copied().eq(0..100));
    assert!(heap.stats().in_use < 10_000);
    assert!(numbers.try_reserve(2 << 20).is_err(), "beyond the limit");
    drop(numbers);
    assert_eq!(heap.stats().in_use, 0);
}

#[test]
fn objects_of_no_bytes_and_of_large_alignment_come_and_go() {
    #[repr(align(4096))]
    struct Page([u8; 4096]);
    let heap = Heap::new("pages", None).expect("a heap");
    let pages: std::vec::Vec<_> = (0..20)
        .map(|i| Box::new_in(Page([i; 4096]), &heap))
        .collect();
    let nothings: std::vec::Vec<_> = (0..20).map(|_| Box::new_in((), &heap)).collect();
    for (i, page) in pages.iter().enumerate() {
        assert!(page.0.iter().all(|byte| usize::from(*byte) == i));
    }
    drop((pages, nothings));
    assert_eq!(heap.stats().in_use, 0);
}
