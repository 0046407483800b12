//! The registry: how long its searches are, and that what is out of it finds its place again.
use super::*;
use crate::os::scripted;

const fn empty() -> Registry {
    Registry {
        table: 0,
        places: 0,
        used: 0,
        cursor: 0,
        totals: Totals {
            chunks: 0,
            bytes: 0,
            max_chunks: 0,
            max_bytes: 0,
        },
    }
}

/// Mappings of one length lie side by side, whatever it is and however many there are: the
/// places that a search visits are counted.
#[test]
fn a_search_is_short_whatever_the_distance_of_the_mappings() {
    const TOP: usize = 0x7fff_ffff_f000;
    let mut r = empty();
    let lengths = (1..32).chain([7_582, 7_583, 10_946, 65_536, 832_040, 1 << 20]);
    for pages in lengths.chain((100..9_000).step_by(677)) {
        let count = 16_000.min(TOP / 2 / (pages << 12));
        let payload = |i| TOP - i * (pages << 12) + 16;
        for i in 1..=count {
            assert!(r.keep());
            r.insert(Mapping {
                p: payload(i),
                ..Mapping::empty(payload(i) - 16, pages << 12)
            });
        }
        let (mut all, mut most) = (0, 0);
        for i in 1..=count {
            let Some(at) = r.find(payload(i)) else {
                unreachable!("entered above");
            };
            let visits = at.wrapping_sub(r.home(payload(i))) & (r.places - 1);
            (all, most) = (all + visits, most.max(visits));
        }
        for i in 1..=count {
            let out = r.find(payload(i)).map(|at| r.take(at));
            assert_eq!(out.map(|m| m.p), Some(payload(i)));
            forgo();
        }
        let what = std::format!("{count} of {pages} pages: {all} visits, at most {most}");
        assert!(all <= count && most <= 100, "{what}");
    }
}

#[test]
fn a_table_that_cannot_grow_takes_more_than_half() {
    let mut r = empty();
    let mapping = |i: usize| Mapping {
        p: i << 20,
        ..Mapping::empty(i << 20, 4096)
    };
    let mut held = 0;
    // The next table is larger than what side memory may have at hand: it has to be mapped.
    while r.places * 2 * size_of::<Mapping>() <= 64 << 10 {
        assert!(r.keep());
        held += 1;
        r.insert(mapping(held));
    }
    let places = r.places;
    scripted::refuse_all(true);
    while held < places && r.keep() {
        held += 1;
        r.insert(mapping(held));
    }
    scripted::refuse_all(false);
    // Other tests may have chunks out.
    assert_eq!(r.places, places);
    assert!(
        held > places * 3 / 4 && held <= places - places / SPARE,
        "{held} of {places}"
    );
    assert!((1..=held).all(|i| r.find(i << 20).is_some()));
    assert_eq!(r.find((held + 1) << 20), None);
    // The system gives again.
    assert!(r.keep());
    assert_eq!(r.places, 2 * places);
    forgo();
}

#[test]
fn a_chunk_that_is_out_finds_its_place_again() {
    let mut r = empty();
    let m = |i: usize| Mapping {
        p: i << 16,
        ..Mapping::empty(i << 16, 4096)
    };
    for i in 1..=30 {
        assert!(r.keep());
        r.insert(m(i));
    }
    assert_eq!(r.places, FIRST_PLACES);
    let out: std::vec::Vec<_> = (1..=30)
        .filter_map(|i| Some(r.take(r.find(i << 16)?)))
        .collect();
    // Others come meanwhile, more than the table has room for beside those.
    for i in 31..=60 {
        assert!(r.keep());
        r.insert(m(i));
    }
    assert_eq!(r.places, 2 * FIRST_PLACES);
    for m in out {
        r.insert(m);
    }
    assert!((1..=60).all(|i| r.find(i << 16).is_some()));
    assert_eq!(r.find(61 << 16), None);
}

/// At the kernel's limit of mappings a request and a free look for one that is stuck: each at a few
/// places, and all of them together at the whole table.
#[test]
fn a_search_for_a_stuck_mapping_is_short_and_goes_on_where_it_ended() {
    let mut r = empty();
    for i in 1..=4000 {
        assert!(r.keep());
        r.insert(Mapping {
            p: i << 16,
            stuck: i == 1234,
            ..Mapping::empty(i << 16, i << 12)
        });
    }
    let searches = r.places / PLACES_AT_ONCE;
    for len in [None, Some(1234 << 12)] {
        let mut found = None;
        for _ in 0..=searches {
            let before = r.cursor;
            let m = r.unstick(len, PLACES_AT_ONCE);
            let looks = r.cursor.wrapping_sub(before) & (r.places - 1);
            assert!(
                looks == PLACES_AT_ONCE || m.is_some() && looks < PLACES_AT_ONCE,
                "{looks}"
            );
            let Some(m) = m else { continue };
            found = Some(m.p);
            r.insert(m);
            break;
        }
        assert_eq!(found, Some(1234 << 16));
        assert!(
            r.unstick(Some(4096), usize::MAX).is_none(),
            "of another length"
        );
    }
    assert!(r.unstick(None, usize::MAX).is_some());
}
