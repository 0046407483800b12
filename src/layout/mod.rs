//! What a reader outside shares with the heap: where things are and what their words mean.
//!
//! Here is no unsafe code, no state and no other module of Cairn's. The heap itself uses these
//! types, so that they cannot drift from it. It is no part of the crate's interface: a debugger's
//! tool that reads a stopped process or a core file has to fit the release that it reads, and
//! [`descriptor`] says which that is.

pub mod bins;
pub mod class;
pub mod counters;
pub mod descriptor;
pub mod head;
pub mod places;
pub mod report;
pub mod sizes;
pub mod table;
pub mod watched;
