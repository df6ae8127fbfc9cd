//! The `commands` crate: see ARCHITECTURE.md.
