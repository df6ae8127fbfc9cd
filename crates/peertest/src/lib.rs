//! Helpers for tests on real server processes, ours and the peers': start and interrupt them, cut the link between
//! them, write to them, and compare everything they hold. The tests themselves are under `tests/`, a file for each
//! kind of topology; how to run them and what to look at when one fails is in docs/testing.md.
//!
//! A helper panics when a server does not do what the test needs: there is nobody who could handle it.

#![allow(
    clippy::disallowed_methods,
    reason = "tests on real processes: sockets, threads and the clock are their means"
)]

mod acknowledged;
pub mod comparison;
mod dataset;
mod info;
mod load;
mod peer;
mod proxy;
mod replication;
pub mod script;
mod server;
pub mod transcript;
mod wait;

pub use acknowledged::{Acknowledged, Written};
pub use client::{Client, Value};
pub use dataset::{Dataset, Entry};
pub use info::Info;
pub use load::{Load, LoadReport, fill};
pub use peer::Peer;
pub use proxy::Proxy;
pub use replication::{assert_equal, differences, offset, settle, wait_for_link, wait_for_writes};
pub use server::{Server, free_port};
pub use wait::{LONG, SHORT, wait_for, wait_until};
