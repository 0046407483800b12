//! Traces of a program's allocation calls.
//!
//! From below: each module knows only those above it in this table.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`event`] | one call |
//! | `columns` | a block of calls as bytes |
//! | [`mod@file`] | the file, whose form is in `docs/trace.md` |
//! | [`merge`] | from the recorder's streams to calls in order, births in the place of addresses |
//! | [`shape`] | what the program did, in figures |
//! | [`script`] | what the replayer shall do |

mod columns;
pub mod event;
pub mod file;
pub mod merge;
pub mod script;
pub mod shape;
