//! The synchronisation primitives of the table, in one place so that a concurrency checker can stand in for them.

pub(super) use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
pub(super) use std::sync::{Arc, Mutex};
