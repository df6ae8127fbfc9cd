//! The `peertest` crate: see ARCHITECTURE.md.
