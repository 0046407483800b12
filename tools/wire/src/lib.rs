//! What the command `cairn` shares with the two programs that do its work inside a process: the
//! recorder's streams ([`spool`]) and the replayer's scripts ([`script`]).
//!
//! Neither leaves the machine and the version: a trace that is kept has a format of its own,
//! `docs/trace.md`.
#![no_std]

pub mod script;
pub mod spool;
