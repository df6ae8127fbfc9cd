//! The `replication` crate: see ARCHITECTURE.md.
