//! The plain ways: what serves a request that no fast path could, and takes back what none takes.
//! Nothing here asks whether something watches the process. The files above find the route, and end
//! here: at once on the plain one, below the count on the sampled one ([`super::sampled`]).
//!
//! A resize that copies is a request and a free like any other, and comes in again by the door.

pub(super) mod alloc;
pub(super) mod free;
pub(super) mod named;
pub(super) mod realloc;
