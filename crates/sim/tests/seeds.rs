//! Whole runs: some hundred seeds without a violation, repeatable ones, and bugs put back that must be found.

use std::sync::Mutex;

use sim::{Figures, Options, Sabotage, failure_text, run, run_many};

/// Runs seeds with these options on both processors: what they add up to, and the failures.
fn run_seeds(seeds: std::ops::Range<u64>, options: &Options) -> (Figures, Vec<String>) {
    let sum = Mutex::new((Figures::default(), Vec::new()));
    run_many(seeds, options, 2, |options, outcome| {
        let mut sum = sum.lock().unwrap();
        sum.0.add(&outcome.figures);
        sum.1.extend(failure_text(options, &outcome));
    });
    sum.into_inner().unwrap()
}

#[test]
fn some_hundred_seeds_violate_nothing_and_meet_everything() {
    let (mut figures, failures) = run_seeds(0..300, &Options::of_seed(0));
    assert!(failures.is_empty(), "{} failed, the first:\n{}", failures.len(), failures[0]);
    for (name, count) in figures.fields() {
        assert!(*count > 0, "no {name} in any seed");
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [3, 14, 159] {
        let (once, again) = (run(&Options::of_seed(seed)), run(&Options::of_seed(seed)));
        assert_eq!(once.trace, again.trace);
        assert_eq!(once.figures, again.figures);
    }
    assert_ne!(run(&Options::of_seed(1)).trace, run(&Options::of_seed(2)).trace);
}

/// How many of some seeds find a bug that is put back, by which invariants.
fn finders(sabotage: Sabotage, only: &[&'static str]) -> Vec<&'static str> {
    let found = Mutex::new(Vec::new());
    let options = Options { sabotage: Some(sabotage), only: only.to_vec(), ..Options::of_seed(0) };
    run_many(0..60, &options, 2, |_, outcome| {
        found.lock().unwrap().extend(outcome.violation.map(|violation| violation.invariant));
    });
    found.into_inner().unwrap()
}

#[test]
fn every_bug_that_is_put_back_is_found() {
    for (name, sabotage) in Sabotage::ALL {
        assert!(!finders(sabotage, &[]).is_empty(), "nobody finds {name}");
    }
}

#[test]
fn data_that_differs_is_found_without_looking_at_the_streams_bytes() {
    for sabotage in [Sabotage::SecondOffsetUnchecked, Sabotage::SelectForgotten, Sabotage::JournalTrimmedEarly] {
        assert!(finders(sabotage, &["digests"]).contains(&"digests"), "{sabotage:?}");
    }
}

#[test]
fn a_promise_that_is_not_kept_is_found_by_the_invariant_about_it() {
    assert!(finders(Sabotage::AckTooHigh, &[]).contains(&"acknowledged"));
    assert!(finders(Sabotage::AlwaysAsksForAll, &[]).contains(&"resync"));
}

#[test]
fn a_failure_names_its_seed_and_how_to_replay_it() {
    let options = Options { sabotage: Some(Sabotage::AlwaysAsksForAll), ..Options::of_seed(4) };
    let outcome = run(&options);
    let text = failure_text(&options, &outcome).expect("it is found in every seed with a second synchronisation");
    let replay =
        format!("cargo run -p sim -- --seed 4 --steps {} --trace --sabotage always-asks-for-all", options.steps);
    assert!(text.contains("seed 4 violates resync"), "{text}");
    assert!(text.contains(&replay), "{text}");
}
