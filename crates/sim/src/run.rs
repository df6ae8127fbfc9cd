//! Runs seeds: one, or many on a few threads.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::report::{Outcome, Violation};
use crate::sabotage::Sabotage;
use crate::world::World;

/// How many events the stormy part of a run has, unless told.
pub const STEPS: u64 = 8_000;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// All chance comes from it.
    pub seed: u64,
    /// How many events the stormy part has.
    pub steps: u64,
    /// Every event is printed, and differences between data sets are shown key by key.
    pub print_trace: bool,
    /// The bug that is put back.
    pub sabotage: Option<Sabotage>,
    /// A switch storm: nothing goes wrong, but the operator gives no peace.
    pub storm: bool,
    /// Only these invariants are checked, if any are named.
    pub only: Vec<&'static str>,
}

impl Options {
    /// A plain run of a seed.
    pub fn of_seed(seed: u64) -> Options {
        Options { seed, steps: STEPS, print_trace: false, sabotage: None, storm: false, only: Vec::new() }
    }

    /// The command that runs exactly this, with a trace.
    pub fn replay_line(&self) -> String {
        let mut line = format!("cargo run -p sim -- --seed {} --steps {} --trace", self.seed, self.steps);
        if self.storm {
            line.push_str(" --storm");
        }
        if let Some(sabotage) = self.sabotage {
            let name = Sabotage::ALL.iter().find(|(_, known)| *known == sabotage).map_or("?", |(name, _)| name);
            line.push_str(&format!(" --sabotage {name}"));
        }
        self.only.iter().for_each(|name| line.push_str(&format!(" --only {name}")));
        line
    }
}

/// Runs one seed. A panic anywhere below is a violation too.
pub fn run(options: &Options) -> Outcome {
    let mut world = World::new(options);
    let result = catch_unwind(AssertUnwindSafe(|| world.run()));
    let violation = match result {
        Ok(result) => result.err(),
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Some(Violation { invariant: "panic", text: text.unwrap_or_else(|| "without a text".to_owned()) })
        }
    };
    let outcome = world.outcome(violation);
    if outcome.violation.as_ref().is_some_and(|violation| violation.invariant == "panic") {
        // What a panic left half done must not be dropped piece by piece.
        std::mem::forget(world);
    }
    outcome
}

/// Runs many seeds with the same options on so many threads; `each` sees every outcome, on the thread
/// that ran it.
pub fn run_many(seeds: Range<u64>, options: &Options, threads: usize, each: impl Fn(&Options, Outcome) + Sync) {
    let next = AtomicU64::new(seeds.start);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let options = Options { seed, ..options.clone() };
                    let outcome = run(&options);
                    each(&options, outcome);
                }
            });
        }
    });
}

/// A failure as it is shown: the last events, what was violated, and how to see it again.
pub fn failure_text(options: &Options, outcome: &Outcome) -> Option<String> {
    let violation = outcome.violation.as_ref()?;
    let mut text = outcome.last_lines.join("\n");
    text.push_str(&format!("\nseed {} violates {}: {}\n", outcome.seed, violation.invariant, violation.text));
    text.push_str(&format!("replay: {}\n", options.replay_line()));
    Some(text)
}
