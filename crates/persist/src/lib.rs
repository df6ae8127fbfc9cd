//! The `persist` crate: see ARCHITECTURE.md.
