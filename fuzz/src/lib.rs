//! What the fuzz targets share. A target is a program in `targets/`; `cargo xtask fuzz` builds and runs them from the
//! seeds in `seeds/<target>/`.

pub mod content;
pub mod exercise;
pub mod memory;
