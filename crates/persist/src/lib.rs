//! What is written to disk and sent at full synchronisation, over byte sources and sinks: no file is opened here.
//! Start at [`rdb`].

pub mod rdb;
