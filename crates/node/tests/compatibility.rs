//! docs/compatibility.md says what is missing: it must be true.

mod support;

use support::script::Action;
use support::session::Session;

const PAGE: &str = include_str!("../../../docs/compatibility.md");

/// The words in one column of the first table under a heading, split at commas.
fn column(heading: &str, nth: usize) -> Vec<String> {
    let section = PAGE.split(heading).nth(1).expect("the page has this heading");
    let rows =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|')).skip(2);
    let cells = rows.filter_map(|row| row.split('|').nth(nth + 1));
    cells.flat_map(|cell| cell.split(',')).map(|word| word.trim().to_owned()).collect()
}

fn reply(session: &mut Session, words: &[&str]) -> String {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let mut bytes = Vec::new();
    resp::encode::command(&mut bytes, &words);
    session.act(&Action::Send('a', bytes));
    session.take_all(false).remove(&'a').expect("a reply").join(" ")
}

#[test]
fn what_the_page_calls_missing_is_missing() {
    let mut session = Session::new();
    let names = column("## Commands that do not exist yet", 1);
    assert!(!names.is_empty(), "the table was found");
    for name in names {
        let name = name.to_ascii_lowercase().replace(' ', "|");
        assert_eq!(reply(&mut session, &["COMMAND", "INFO", &name]), "*1 $-1", "{name} exists: take it off the page");
    }
}

#[test]
fn what_debug_leaves_out_is_told() {
    let mut session = Session::new();
    for name in column("## DEBUG", 0) {
        let expected = format!("-ERR DEBUG {name} does not exist in Lockstep: ");
        let got = reply(&mut session, &["DEBUG", &name]);
        assert!(got.starts_with(&expected), "{got}");
    }
}
