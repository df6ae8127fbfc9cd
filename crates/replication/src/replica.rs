//! A replica's side of one link to its master. [`Link`] is the machine; what goes in and out of it stands
//! in `io`, the reading of the snapshot's framing in `transfer`.

mod backoff;
mod figures;
mod handshake;
mod io;
mod link;
mod settings;
mod transfer;

pub use figures::{LastSync, LinkFigures, SyncKind, TransferFigures};
pub use io::{Input, Output, Resume};
pub use link::{Link, Phase};
pub use settings::LinkSettings;
