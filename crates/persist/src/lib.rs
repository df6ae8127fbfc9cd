//! What is written to disk and sent at full synchronisation, over byte sources and sinks: no file is opened here.
//! Start at [`rdb`] and [`aof`].

pub mod aof;
pub mod rdb;
