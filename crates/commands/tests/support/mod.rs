//! What the transcript runner is made of: the notation, and a server without a server.

pub mod script;
pub mod session;
