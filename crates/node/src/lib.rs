//! The `node` crate: see ARCHITECTURE.md.
