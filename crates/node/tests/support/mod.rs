//! What the transcript runner is made of: the notation, a whole node with its connections, and the program around it.

#![allow(dead_code, reason = "each test uses a part of it")]

pub mod aof_disk;
pub mod host;
pub mod script;
pub mod session;
pub mod spill_disk;
