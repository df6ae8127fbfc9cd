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
    let (mut figures, failures) = run_seeds(0..400, &Options::of_seed(0));
    assert!(failures.is_empty(), "{} failed, the first:\n{}", failures.len(), failures[0]);
    // A held replica is a matter of microseconds: the stories about switches show them.
    for (name, count) in figures.fields().into_iter().filter(|(name, _)| *name != "holds") {
        assert!(*count > 0, "no {name} in any seed");
    }
}

#[test]
fn some_hundred_switch_storms_violate_nothing() {
    let options = Options { storm: true, ..Options::of_seed(0) };
    let (figures, failures) = run_seeds(0..150, &options);
    assert!(failures.is_empty(), "{} failed, the first:\n{}", failures.len(), failures[0]);
    assert!(figures.failovers_done > 300 && figures.promotions > 300, "{figures}");
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

/// Whether some seed finds a bug that is put back, by this invariant if one is named.
fn is_found(sabotage: Sabotage, by: Option<&'static str>) -> bool {
    let options = Options { sabotage: Some(sabotage), only: by.into_iter().collect(), ..Options::of_seed(0) };
    (0..40).any(|batch| {
        let found = Mutex::new(false);
        run_many(batch * 8..(batch + 1) * 8, &options, 2, |_, outcome| {
            *found.lock().unwrap() |= outcome.violation.is_some_and(|violation| violation.invariant != "panic");
        });
        found.into_inner().unwrap()
    })
}

#[test]
fn every_bug_that_is_put_back_is_found() {
    for (name, sabotage) in Sabotage::ALL {
        assert!(is_found(sabotage, None), "nobody finds {name}");
    }
}

#[test]
fn data_that_differs_is_found_without_looking_at_the_streams_bytes() {
    for sabotage in [Sabotage::SecondOffsetUnchecked, Sabotage::SelectForgotten, Sabotage::JournalTrimmedEarly] {
        assert!(is_found(sabotage, Some("digests")), "{sabotage:?}");
    }
}

#[test]
fn a_promise_that_is_not_kept_is_found_by_the_invariant_about_it() {
    assert!(is_found(Sabotage::AckTooHigh, Some("acknowledged")));
    assert!(is_found(Sabotage::AlwaysAsksForAll, Some("resync")));
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
