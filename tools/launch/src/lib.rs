//! Whole programs on one allocator after another, and what each cost: what `bench` and the command
//! `cairn` share.
//!
//! From below: each module knows only those above it in this table.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`statistics`] | spreads, means, and intervals for paired rounds |
//! | [`runs`] | costs of runs, by library |
//! | [`likeness`] | how a replay compares with the program itself |
//! | [`libraries`] | allocators, and where they are |
//! | [`machine`] | where they were measured |
//! | [`program`] | whether a program can be preloaded into |
//! | `watch` | ends a server whose measurer is gone |
//! | [`launcher`] | the small process that starts one program and follows it |
//! | [`tree`] | a server's processes, and what they have cost so far |
//! | [`served`] | who serves `malloc`, as the loader says |
//! | [`job`] | a program with its arguments, run through the launcher |
//! | [`server`] | a server under a load |
//! | [`rounds`] | interleaved rounds, and when there are enough |
//! | [`table`], [`plot`] | what a reader sees |

pub mod job;
pub mod launcher;
pub mod libraries;
pub mod likeness;
pub mod machine;
pub mod plot;
pub mod program;
pub mod rounds;
pub mod runs;
pub mod served;
pub mod server;
pub mod statistics;
pub mod table;
pub mod tree;
mod watch;
