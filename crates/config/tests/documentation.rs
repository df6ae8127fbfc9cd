//! docs/configuration.md says of every directive what is done with it, in the words of its row.

use config::{Directive, Effect, Shown, directives};

const PAGE: &str = include_str!("../../../docs/configuration.md");

fn line(directive: &Directive) -> String {
    let alias = directive.alias.map_or(String::new(), |alias| format!("`{alias}`"));
    let (effect, why) = match &directive.effect {
        Effect::Honoured(_) => ("honoured", ""),
        Effect::Accepted { why, .. } => ("accepted", *why),
        Effect::Refused { why, .. } => ("refused", *why),
    };
    let place = match directive.shown {
        Shown::Never if effect == "accepted" => ", in a file only",
        _ => "",
    };
    format!("| `{}` | {alias} | {effect}{place} | {why} |", directive.name)
}

#[test]
fn the_page_has_a_line_for_every_directive() {
    let missing: Vec<String> = directives().map(line).filter(|line| !PAGE.lines().any(|other| other == line)).collect();
    assert!(missing.is_empty(), "docs/configuration.md must have these lines:\n{}", missing.join("\n"));
}

#[test]
fn the_page_has_no_other_directives() {
    let names: Vec<&str> = directives().map(|directive| directive.name).chain(["user"]).collect();
    let lines = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let other: Vec<&str> = lines.map(|(name, _)| name).filter(|name| !names.contains(name)).collect();
    assert!(other.is_empty(), "docs/configuration.md speaks of what is not there: {other:?}");
}
