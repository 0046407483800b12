//! Traces written and read again, and streams put in order.
#![allow(clippy::expect_used, reason = "a test reports by panicking")]

use traces::event::{Birth, Call, Event};
use traces::file::{End, Reader, Start, Writer};
use traces::merge::Merge;
use traces::shape;
use wire::spool::{Kind, number, object};

/// Calls of some threads that free their own objects and those of others.
fn random(seed: u64, count: usize) -> Vec<Event> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut live, mut births, mut time) = (Vec::new(), [0_u64; 5], 0);
    let mut events = Vec::new();
    for _ in 0..count {
        time += rng.u64(..300);
        let thread = rng.u32(..5);
        let at = rng.usize(..live.len().max(1));
        let power = rng.u32(1..40);
        let call = match rng.u8(..9) {
            0..3 => Call::Malloc,
            3 => Call::Calloc,
            4 => Call::Aligned(rng.u8(3..13)),
            5 => Call::Failed,
            6 if !live.is_empty() => Call::Realloc {
                of: live.swap_remove(at),
                moved: rng.bool(),
            },
            _ if !live.is_empty() => Call::Free(live.swap_remove(at)),
            _ => Call::Malloc,
        };
        let event = Event {
            time,
            thread,
            call,
            size: match call {
                Call::Free(_) => 0,
                _ => rng.u64(..1 << power),
            },
            share: event_share(&mut rng, call),
        };
        if event.is_birth() {
            let born = births.get_mut(thread as usize).expect("a thread");
            live.push(Birth {
                thread,
                number: *born,
            });
            *born += 1;
        }
        events.push(event);
    }
    if let Some(of) = live.pop() {
        events.push(Event {
            time,
            thread: 0,
            call: Call::Rest(of),
            size: 0,
            share: Some(7),
        });
    }
    events
}

fn event_share(rng: &mut fastrand::Rng, call: Call) -> Option<u8> {
    let ends = matches!(call, Call::Free(_) | Call::Realloc { .. });
    (ends && rng.u8(..4) == 0).then(|| rng.u8(..))
}

fn start() -> Start {
    Start {
        program: "a program".to_owned(),
        tick: 64e-9,
        ..Start::default()
    }
}

fn written(events: &[Event]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &start()).expect("a writer");
    for event in events {
        writer.add(event).expect("it is written");
    }
    writer.finish(&End::default()).expect("it ends")
}

fn read(bytes: &[u8]) -> (Vec<Event>, Option<End>) {
    let mut reader = Reader::new(bytes).expect("a trace");
    assert_eq!(reader.start, start());
    let mut events = Vec::new();
    while let Some(event) = reader.next_call().expect("whole blocks") {
        events.push(event);
    }
    (events, reader.end)
}

#[test]
fn what_is_written_is_read() {
    // More than a block.
    for (seed, count) in [(1, 10), (2, 5000), (3, 150_000)] {
        let events = random(seed, count);
        let (found, end) = read(&written(&events));
        assert!(found == events, "seed {seed}");
        assert_eq!(end.expect("an end").calls, events.len() as u64);
    }
}

#[test]
fn a_file_that_is_cut_short_has_what_was_whole_and_no_end() {
    let events = random(4, 150_000);
    let bytes = written(&events);
    let (found, end) = read(bytes.get(..bytes.len() - 10).expect("a start"));
    assert!(end.is_none() && found == events);
    let (found, end) = read(bytes.get(..bytes.len() / 2).expect("a start"));
    assert!(end.is_none() && found.is_empty());
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    let events = random(5, 3000);
    let bytes = written(&events);
    let mut rng = fastrand::Rng::with_seed(6);
    let mut refused = 0;
    for _ in 0..500 {
        let mut bytes = bytes.clone();
        let at = rng.usize(..bytes.len());
        *bytes.get_mut(at).expect("a byte") ^= 1 << rng.u8(..8);
        let shaped = Reader::new(&bytes[..]).and_then(|mut reader| shape::of(&mut reader));
        refused += usize::from(shaped.is_err());
    }
    assert!(refused > 100, "{refused}");
}

/// A stream of records.
fn stream(records: &[u64]) -> Vec<u8> {
    records.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn merged(streams: &[Vec<u8>]) -> (Vec<Event>, End) {
    let mut events = Vec::new();
    let end = Merge::new(streams.iter().map(Vec::as_slice), 1000, 0)
        .run(|event| {
            events.push(*event);
            Ok(())
        })
        .expect("it runs");
    (events, end)
}

const HERE: u64 = 0x5555_0000_1000;

#[test]
fn two_threads_that_use_one_address_are_put_in_order_by_the_clock() {
    let clock = |time: u64| number(Kind::Clock, 1000 + time);
    // The second thread's stream is the first to be read.
    for second in [30, 20] {
        let one = stream(&[
            clock(1),
            number(Kind::Thread, 0),
            clock(10),
            object(Kind::Malloc, HERE, 100),
            clock(20),
            object(Kind::Free, HERE, 0),
        ]);
        // At 20 both have the same stamp, as a coarse clock gives it: what lives cannot be born.
        let two = stream(&[
            clock(2),
            number(Kind::Thread, 1),
            clock(second),
            object(Kind::Malloc, HERE, 200),
            clock(40),
            object(Kind::Free, HERE, 0),
        ]);
        for streams in [[one.clone(), two.clone()], [two.clone(), one.clone()]] {
            let (events, end) = merged(&streams);
            let born = |thread| Birth { thread, number: 0 };
            let calls: Vec<Call> = events.iter().map(|event| event.call).collect();
            assert_eq!(
                calls,
                [
                    Call::Malloc,
                    Call::Free(born(0)),
                    Call::Malloc,
                    Call::Free(born(1))
                ]
            );
            assert_eq!((end.strays, end.peak, end.threads), (0, 200, 2));
        }
    }
}

#[test]
fn a_realloc_that_fails_leaves_the_object_and_one_that_moves_begins_another() {
    let there = HERE + 4096;
    let clock = |time: u64| number(Kind::Clock, 1000 + time);
    let (events, end) = merged(&[stream(&[
        clock(0),
        number(Kind::Thread, 0),
        object(Kind::Malloc, HERE, 100),
        object(Kind::From, HERE, 0),
        object(Kind::To, 0, 200),
        number(Kind::Size, 1 << 20),
        object(Kind::From, HERE, 0),
        object(Kind::To, there, wire::spool::ELSEWHERE),
        object(Kind::Free, there, 0),
        object(Kind::Free, HERE, 0),
    ])]);
    let born = |number| Birth { thread: 0, number };
    let calls: Vec<(Call, u64)> = events
        .iter()
        .map(|event| (event.call, event.size))
        .collect();
    let of = born(0);
    assert_eq!(
        calls,
        [
            (Call::Malloc, 100),
            (Call::Failed, 200),
            (Call::Realloc { of, moved: true }, 1 << 20),
            (Call::Free(born(1)), 0),
        ]
    );
    assert_eq!((end.strays, end.peak), (1, 1 << 20));
}
