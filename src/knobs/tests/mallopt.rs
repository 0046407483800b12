//! What `mallopt` does to the knobs.

use super::*;

#[test]
fn mallopt_takes_and_refuses_what_glibc_does() {
    let fixed = Knobs {
        mmap_threshold_fixed: true,
        ..D
    };
    let cases = [
        // (parameter, value, answer, what holds after it)
        (1, 0, 1, Knobs { mxfast: 0, ..D }),
        (1, 160, 1, Knobs { mxfast: 160, ..D }),
        (1, 161, 0, D),
        (1, -1, 0, D),
        (
            -1,
            4096,
            1,
            Knobs {
                trim_threshold: 4096,
                trim_by_hand: true,
                ..fixed
            },
        ),
        (
            -1,
            -1,
            1,
            Knobs {
                trim_threshold: usize::MAX,
                trim_by_hand: true,
                ..fixed
            },
        ),
        (
            -2,
            0,
            1,
            Knobs {
                top_pad: 0,
                ..fixed
            },
        ),
        (
            -3,
            0,
            1,
            Knobs {
                mmap_threshold: 0,
                ..fixed
            },
        ),
        (
            -3,
            32 << 20,
            1,
            Knobs {
                mmap_threshold: 32 << 20,
                ..fixed
            },
        ),
        (
            -3,
            64 << 20,
            1,
            Knobs {
                mmap_threshold: 64 << 20,
                ..fixed
            },
        ),
        (
            -3,
            -1,
            1,
            Knobs {
                mmap_threshold: usize::MAX,
                ..fixed
            },
        ),
        (
            -4,
            3,
            1,
            Knobs {
                mmap_max: 3,
                ..fixed
            },
        ),
        (
            -4,
            -1,
            1,
            Knobs {
                mmap_max: 0,
                ..fixed
            },
        ),
        (-5, 3, 1, Knobs { check: 3, ..D }),
        (-5, 99, 1, D),
        (-6, 0x1a5, 1, Knobs { perturb: 0xa5, ..D }),
        (-7, 4, 1, Knobs { arena_test: 4, ..D }),
        (-7, 0, 1, D),
        (-8, 4, 1, Knobs { arena_max: 4, ..D }),
        (-8, 0, 1, D),
        (-8, -5, 1, D),
        (99, 1, 1, D),
        (0, 0, 1, D),
        (c_int::MIN, c_int::MIN, 1, D),
    ];
    for (parameter, value, answer, after) in cases {
        let mut knobs = D;
        let given = knobs.set_option(parameter, value);
        assert_eq!(
            (given, knobs),
            (answer, after),
            "mallopt({parameter}, {value})"
        );
    }
}
