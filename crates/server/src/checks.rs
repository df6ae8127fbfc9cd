//! What the peers' programs offer beside serving: `--check-system`, `--test-memory`. Lockstep needs neither of what they
//! look for, and says so.

use std::process::ExitCode;

/// Answers a word that stands where a server's settings would, if it is one of these.
pub fn answer(word: Option<&str>) -> Option<ExitCode> {
    match word? {
        "--check-system" => {
            for (name, why) in NOT_NEEDED {
                println!("[{name}]...not needed: {why}");
            }
            Some(ExitCode::SUCCESS)
        }
        "--test-memory" => {
            eprintln!("Lockstep has no memory test. Programs like memtest86 or memtester are made for it.");
            Some(ExitCode::FAILURE)
        }
        "--sentinel" => {
            eprintln!("Lockstep has no Sentinel yet.");
            Some(ExitCode::FAILURE)
        }
        _ => None,
    }
}

/// The settings of a system that the peers check, and why they do not matter here.
const NOT_NEEDED: [(&str, &str); 3] = [
    ("slow-clocksource", "the clock is read once per loop turn and for slow commands, not for every command"),
    ("overcommit", "saving and replication do not fork"),
    ("THP", "without a fork no page is ever copied whole"),
];
