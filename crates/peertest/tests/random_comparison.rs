//! A bounded run of the random comparison with Redis 7.0; `cargo xtask compare` runs as long as one likes.

use peertest::comparison::Comparison;

/// Commands compared, unless `$LOCKSTEP_COMPARE_COMMANDS` says otherwise; the seed is `$LOCKSTEP_COMPARE_SEED`.
const COMMANDS: u64 = 60_000;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn random_commands_are_answered_as_by_redis_70() {
    let seed = number("LOCKSTEP_COMPARE_SEED", 1);
    let mut comparison = Comparison::start(seed);
    comparison.run(number("LOCKSTEP_COMPARE_COMMANDS", COMMANDS) as usize);
    let differences = comparison.finish();
    let tally = comparison.tally();
    println!("seed {seed}\n{}\n{}", tally.report(), tally.coverage());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(tally.unexplained(), Vec::<&String>::new(), "\n{}", tally.report());
    assert!(tally.equal_per_mille() >= 999.0, "\n{}", tally.report());
}
