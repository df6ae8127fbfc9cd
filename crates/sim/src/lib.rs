//! The simulation: whole nodes under a seeded clock, network and disk, with faults, and invariants that are checked
//! after every turn. docs/simulation.md says how to run it and how to read a trace.
//!
//! Reading order: [`run`] runs seeds; `world` is one run; `machine` is the loop around a node, the mirror of the real
//! server's shell; `network`, `disk` and `host` are what it stands on; `client`, `workload` and `faults` are what
//! happens to it; `invariants/` is what must hold; `sabotage` and `relay` prove that the checkers bite; [`Script`] plays
//! one story without chance, for regression tests.

mod aof;
mod client;
mod disk;
mod env;
mod faults;
mod host;
mod inspect;
mod invariants;
mod jobs;
mod machine;
mod network;
mod plan;
mod queue;
mod relay;
mod report;
mod run;
mod sabotage;
mod script;
mod trace;
mod workload;
mod world;

pub use invariants::NAMES as INVARIANTS;
pub use report::{Figures, Outcome, Violation};
pub use run::{Options, STEPS, failure_text, run, run_many};
pub use sabotage::Sabotage;
pub use script::Script;
