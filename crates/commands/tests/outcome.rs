//! Commands whose outcome no two kinds of server agree on: the order of elements that SORT holds for equal, and the members
//! that a range of the alphabet finds where scores differ. Replicas get what was done here, not the command.

#[path = "support/server.rs"]
mod server;

use server::Server;

#[test]
fn a_range_of_the_alphabet_over_different_scores_is_journalled_as_what_it_removed() {
    let mut server = Server::new();
    server.run("ZADD z 1 a 2 d 3 b 4 c");
    let before = server.run("ZRANGE z 0 -1").bulks;
    let removed = server.run("ZREMRANGEBYLEX z [a [c");
    let after = server.run("ZRANGE z 0 -1").bulks;
    let gone: Vec<&String> = before.iter().filter(|member| !after.contains(member)).collect();
    assert!(!gone.is_empty());
    assert_eq!(removed.journal.len(), 1);
    assert_eq!(removed.journal[0][..2], ["ZREM", "z"]);
    assert_eq!(removed.journal[0][2..].iter().collect::<Vec<_>>(), gone);
}

#[test]
fn a_range_of_the_alphabet_over_one_score_is_journalled_as_it_was_sent() {
    let mut server = Server::new();
    server.run("ZADD z 1 a 1 b 1 c");
    assert_eq!(server.run("ZRANGESTORE y z [a [b BYLEX").journal, [["ZRANGESTORE", "y", "z", "[a", "[b", "BYLEX"]]);
    assert_eq!(server.run("ZREMRANGEBYLEX z [a [b").journal, [["ZREMRANGEBYLEX", "z", "[a", "[b"]]);
}

#[test]
fn a_stored_range_of_the_alphabet_over_different_scores_is_journalled_as_the_value() {
    let mut server = Server::new();
    server.run("ZADD z 1 a 2.5 b 3 z 4 c");
    server.run("SET y old");
    let stored = server.run("ZRANGESTORE y z [a [c BYLEX");
    let value = server.run("ZRANGE y 0 -1 WITHSCORES").bulks;
    let mut expected = vec!["ZADD".to_owned(), "y".to_owned()];
    expected.extend(value.chunks(2).flat_map(|pair| [pair[1].clone(), pair[0].clone()]));
    assert!(expected.len() > 2);
    assert_eq!(stored.journal, [vec!["DEL".to_owned(), "y".to_owned()], expected]);
    assert_eq!(server.run("ZRANGESTORE y z (z (z BYLEX").journal, [["DEL", "y"]]);
    assert!(server.run("ZRANGESTORE y z (z (z BYLEX").journal.is_empty());
}

#[test]
fn a_sort_with_ties_is_journalled_as_the_list() {
    let mut server = Server::new();
    let names: Vec<String> = (0..2500).map(|i| format!("m{i}")).collect();
    server.run(&format!("SADD s {}", names.join(" ")));
    server.run("SET l old");
    let stored = server.run("SORT s BY w_* ALPHA STORE l");
    let list = server.run("LRANGE l 0 -1").bulks;
    assert_eq!(stored.journal[0], ["DEL", "l"]);
    assert!(stored.journal[1..].iter().all(|command| command[..2] == ["RPUSH", "l"]));
    assert_eq!(stored.journal[1..].iter().flat_map(|command| command[2..].to_vec()).collect::<Vec<_>>(), list);
    assert_eq!(server.run("SORT s BY w_* ALPHA LIMIT 0 0 STORE l").journal, [["DEL", "l"]]);
}

#[test]
fn a_sort_without_ties_is_journalled_as_it_was_sent() {
    let mut server = Server::new();
    server.run("RPUSH k 1 2 2 3");
    server.run("MSET w_1 a w_2 b w_3 c");
    for sort in ["SORT k STORE l", "SORT k ALPHA STORE l", "SORT k BY w_* ALPHA STORE l", "SORT k BY v_* STORE l"] {
        assert_eq!(server.run(sort).journal, [sort.split(' ').collect::<Vec<_>>()]);
    }
}
