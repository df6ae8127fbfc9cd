//! What must hold for every command row.

use commands::{DataRow, GROUPS};

fn rows() -> Vec<&'static DataRow> {
    let commands = GROUPS.iter().flat_map(|group| group.iter());
    commands.flat_map(|row| std::iter::once(row).chain(row.subcommands)).collect()
}

#[test]
fn every_usage_can_be_read() {
    for row in rows() {
        commands::usage::parse(row.meta.usage);
    }
}

#[test]
fn every_command_says_what_it_does_in_one_line() {
    for row in rows() {
        let summary = row.meta.summary;
        assert!(summary.ends_with('.') && !summary.contains('\n') && !summary.contains("SUMMARY"), "{}", row.name);
        // The peers' tables name none for XREAD either.
        assert!(!row.meta.complexity.is_empty() || row.name == "xread", "{}", row.name);
    }
}

#[test]
fn no_name_is_given_twice() {
    let mut names: Vec<&str> = GROUPS.iter().flat_map(|group| group.iter()).map(|row| row.name).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}
