//! The replica's link as an operator would describe it: what it says, what it makes of the answers, what it
//! does when answers stay out. Time is simulated.

use base::{ReplId, Time};
use replication::Link;
use replication::replica::{Input, LinkSettings, Output, Phase, Resume, SyncKind};
use std::time::Duration;

const MARK: &str = "0123456789abcdef0123456789abcdef01234567";

/// A link, a clock, and what the link put out since it was last asked.
struct Rig {
    link: Link,
    now: Time,
}

impl Rig {
    fn new(settings: LinkSettings) -> Rig {
        Rig { link: Link::new(settings, fastrand::Rng::with_seed(1)), now: Time(1_000_000_000) }
    }

    /// One that follows a master, up to the connection.
    fn connected(settings: LinkSettings, resume: Option<Resume>) -> Rig {
        let mut rig = Rig::new(settings);
        rig.link.handle(rig.now, Input::Follow { host: "m".into(), port: 6379 });
        rig.outputs();
        rig.link.handle(rig.now, Input::Connected { resume });
        rig
    }

    /// One that has sent PSYNC.
    fn asked(resume: Option<Resume>) -> Rig {
        let mut rig = Rig::connected(LinkSettings::default(), resume);
        rig.answers("+PONG\r\n+OK\r\n+OK\r\n+OK\r\n");
        rig.outputs();
        rig
    }

    /// One that streams after a partial synchronisation.
    fn streaming() -> Rig {
        let mut rig = Rig::asked(Some(resume()));
        rig.answers("+CONTINUE\r\n");
        rig.outputs();
        rig
    }

    fn answers(&mut self, text: &str) -> usize {
        self.link.handle_bytes(self.now, text.as_bytes())
    }

    /// Everything but log lines.
    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.link.poll_output()).filter(|output| !matches!(output, Output::Log(..))).collect()
    }

    /// What was sent, as text with the framing of RESP taken off.
    fn sent(&mut self) -> Vec<String> {
        self.outputs().iter().filter_map(sent_text).collect()
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now + span;
        self.link.handle_timeout(self.now);
    }

    /// Lets time pass until the next timer.
    fn wait_for_timer(&mut self) -> Duration {
        let at = self.link.poll_timeout().expect("a timer runs");
        let span = at.since(self.now);
        self.wait(span);
        span
    }
}

fn sent_text(output: &Output) -> Option<String> {
    let Output::Send(bytes) = output else { return None };
    let text = String::from_utf8(bytes.clone()).unwrap();
    if text == "\n" {
        return Some(text);
    }
    let words: Vec<&str> = text.split("\r\n").filter(|word| !word.starts_with(['*', '$'])).collect();
    Some(words.join(" ").trim().to_owned())
}

fn id(byte: u8) -> ReplId {
    ReplId::from_entropy([byte; 20])
}

fn resume() -> Resume {
    Resume { replid: id(1), offset: 100 }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn the_first_attempt_is_immediate() {
    let mut rig = Rig::new(LinkSettings::default());
    rig.link.handle(rig.now, Input::Follow { host: "m".into(), port: 6379 });
    assert_eq!(rig.outputs(), [Output::Connect { host: "m".into(), port: 6379 }]);
    assert_eq!(rig.link.master(), Some(("m", 6379)));
}

#[test]
fn psync_waits_for_every_answer_of_the_introduction() {
    let mut rig = Rig::connected(LinkSettings::default(), Some(resume()));
    assert_eq!(rig.sent(), ["PING"]);
    rig.answers("+PONG\r\n");
    assert_eq!(rig.sent().len(), 1, "the introduction is one write");
    rig.answers("+OK\r\n+OK\r\n");
    assert_eq!(rig.sent(), [""; 0]);
    rig.answers("+OK\r\n");
    assert_eq!(rig.sent(), [format!("PSYNC {} 101", id(1))]);
}

#[test]
fn every_cut_of_a_handshake_and_a_diskless_transfer_reads_the_same() {
    let wire = format!(
        "\n+PONG\r\n+OK\r\n-ERR Unrecognized REPLCONF option\r\n+OK\r\n\n\n+FULLRESYNC {} 500\r\n\n$EOF:{MARK}\r\nREDIS0011…{MARK}",
        id(2)
    );
    let stream = "*1\r\n$4\r\nPING\r\n";
    let all = format!("{wire}{stream}").into_bytes();
    for cut in 0..all.len() {
        let mut rig = Rig::connected(LinkSettings::default(), None);
        let mut pending = Vec::new();
        for piece in [&all[..cut], &all[cut..]] {
            pending.extend_from_slice(piece);
            let used = rig.link.handle_bytes(rig.now, &pending);
            pending.drain(..used);
        }
        check_transfer(&mut rig, None);
        assert_eq!(pending, stream.as_bytes(), "cut at {cut}");
    }
    let mut rig = Rig::connected(LinkSettings::default(), None);
    let used: usize = all.iter().map(|&byte| rig.link.handle_bytes(rig.now, &[byte])).sum();
    assert_eq!(used, wire.len());
    check_transfer(&mut rig, None);
}

#[test]
fn every_cut_of_a_sized_transfer_reads_the_same() {
    let wire = format!("+PONG\r\n+OK\r\n+OK\r\n+OK\r\n+FULLRESYNC {} 500\r\n\n\n$12\r\nREDIS0011…", id(2));
    let all = format!("{wire}*1\r\n$4\r\nPING\r\n").into_bytes();
    for cut in 0..all.len() {
        let mut rig = Rig::connected(LinkSettings::default(), None);
        let used = rig.link.handle_bytes(rig.now, &all[..cut]);
        let more = rig.link.handle_bytes(rig.now, &all[used..]);
        assert_eq!(used + more, wire.len(), "cut at {cut}");
        check_transfer(&mut rig, Some(12));
    }
}

/// The transfer of the two tests above came out whole, and leads into the stream.
fn check_transfer(rig: &mut Rig, total: Option<u64>) {
    let mut outputs = rig.outputs();
    outputs.retain(|output| !matches!(output, Output::Send(_)));
    let position = Some(Resume { replid: id(2), offset: 500 });
    assert_eq!(outputs.remove(0), Output::BeginTransfer { position, total });
    assert_eq!(outputs.pop(), Some(Output::EndTransfer));
    let bytes: Vec<u8> = outputs
        .into_iter()
        .flat_map(|output| match output {
            Output::TransferBytes(bytes) => bytes,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(bytes, "REDIS0011…".as_bytes());
    assert_eq!(rig.link.phase(), Phase::Loading);
    rig.link.handle(rig.now, Input::Loaded);
    assert_eq!(rig.outputs(), [Output::Adopt { position }, Output::AckDue]);
    assert_eq!(rig.link.phase(), Phase::Streaming);
}

#[test]
fn an_empty_sized_snapshot_is_complete_at_its_header() {
    let mut rig = Rig::asked(None);
    rig.answers(&format!("+FULLRESYNC {} 0\r\n$0\r\n", id(2)));
    assert_eq!(rig.link.phase(), Phase::Loading);
}

#[test]
fn ping_may_be_answered_by_a_demand_to_authenticate() {
    for answer in
        ["-NOAUTH Authentication required.", "-NOPERM no", "-ERR operation not permitted", "+PONG", "+whatever"]
    {
        let mut rig = Rig::connected(LinkSettings::default(), None);
        rig.answers(&format!("{answer}\r\n"));
        assert_eq!(rig.sent().len(), 2, "{answer}");
    }
    for answer in ["-ERR max number of clients reached", "-LOADING", "$4", "HTTP/1.1 400 Bad Request"] {
        let mut rig = Rig::connected(LinkSettings::default(), None);
        rig.answers(&format!("{answer}\r\n"));
        assert_eq!(rig.link.phase(), Phase::BackOff, "{answer}");
        assert!(rig.outputs().contains(&Output::Disconnect));
    }
}

#[test]
fn a_refused_password_ends_the_attempt_and_refused_options_do_not() {
    let settings = LinkSettings { password: Some(b"pw".to_vec()), ..LinkSettings::default() };
    let mut rig = Rig::connected(settings.clone(), None);
    rig.answers("+PONG\r\n-WRONGPASS invalid\r\n");
    assert_eq!(rig.link.phase(), Phase::BackOff);
    let mut rig = Rig::connected(settings, None);
    rig.answers("-NOAUTH\r\n+OK\r\n-ERR a\r\n-ERR b\r\n-ERR c\r\n");
    assert_eq!(rig.sent().last().unwrap(), "PSYNC ? -1");
}

#[test]
fn a_master_that_continues_under_a_new_id_is_followed_under_it() {
    let mut rig = Rig::asked(Some(resume()));
    let used = rig.answers(&format!("\n+CONTINUE {}\r\n*1\r\n", id(9)));
    assert_eq!(used, 53);
    assert_eq!(rig.outputs(), [Output::Continue { new_replid: Some(id(9)), older: vec![] }, Output::AckDue]);
    let figures = rig.link.figures(rig.now);
    assert_eq!((figures.up, figures.partial_syncs, figures.full_syncs), (true, 1, 0));
    assert_eq!(figures.last_sync.unwrap().kind, SyncKind::Partial);
}

#[test]
fn a_master_that_continues_under_the_same_id_or_names_none_changes_no_id() {
    for answer in ["+CONTINUE\r\n".to_owned(), format!("+CONTINUE {}\r\n", id(1))] {
        let mut rig = Rig::asked(Some(resume()));
        rig.answers(&answer);
        assert_eq!(rig.outputs()[0], Output::Continue { new_replid: None, older: vec![] });
    }
}

#[test]
fn a_master_cannot_continue_what_was_never_offered() {
    let mut rig = Rig::asked(None);
    rig.answers("+CONTINUE\r\n");
    assert_eq!(rig.link.phase(), Phase::BackOff);
}

#[test]
fn a_master_that_asks_for_patience_is_asked_again_soon_and_often() {
    for answer in ["-NOMASTERLINK Can't SYNC while not connected with my master\r\n", "-LOADING wait\r\n"] {
        let mut rig = Rig::asked(None);
        for _ in 0..20 {
            rig.answers(answer);
            assert_eq!(rig.outputs(), [Output::Disconnect]);
            assert!(rig.wait_for_timer() <= seconds(1), "patience does not lengthen the wait");
            rig.link.handle(rig.now, Input::Connected { resume: None });
            rig.answers("+PONG\r\n+OK\r\n+OK\r\n+OK\r\n");
            rig.outputs();
        }
    }
}

#[test]
fn a_master_without_psync_is_asked_with_sync_and_never_acknowledged() {
    let mut rig = Rig::asked(Some(resume()));
    rig.answers("-ERR unknown command 'PSYNC'\r\n");
    assert_eq!(rig.sent(), ["SYNC"]);
    rig.answers("\n$3\r\nabc");
    assert_eq!(rig.outputs()[0], Output::BeginTransfer { position: None, total: Some(3) });
    rig.link.handle(rig.now, Input::Loaded);
    assert_eq!(rig.outputs(), [Output::Adopt { position: None }]);
    rig.link.send_ack(7, None);
    rig.wait(seconds(5));
    assert_eq!(rig.outputs(), []);
}

#[test]
fn an_error_instead_of_the_header_ends_the_attempt_before_any_transfer() {
    for answer in ["-ERR BGSAVE failed\r\n", "$-1\r\n", "$EOF:short\r\n", "+OK\r\n"] {
        let mut rig = Rig::asked(None);
        rig.answers(&format!("+FULLRESYNC {} 0\r\n{answer}", id(2)));
        assert_eq!(rig.outputs(), [Output::Disconnect], "{answer}");
        assert_eq!(rig.link.phase(), Phase::BackOff);
    }
}

#[test]
fn a_snapshot_that_fails_its_checksum_is_thrown_away_and_asked_for_again_with_back_off() {
    let mut rig = Rig::asked(None);
    let mut waits = Vec::new();
    for _ in 0..3 {
        rig.answers(&format!("+FULLRESYNC {} 0\r\n$3\r\nbad", id(2)));
        rig.outputs();
        rig.link.handle(rig.now, Input::LoadFailed("wrong checksum".into()));
        assert!(matches!(rig.outputs()[..], [Output::AbortTransfer(_), Output::Disconnect]));
        waits.push(rig.wait_for_timer());
        rig.link.handle(rig.now, Input::Connected { resume: None });
        rig.answers("+PONG\r\n+OK\r\n+OK\r\n+OK\r\n");
        rig.outputs();
    }
    assert!(waits[0] <= seconds(1) && waits[2] >= seconds(2), "{waits:?}");
}

#[test]
fn a_snapshot_may_fail_while_it_is_still_arriving() {
    let mut rig = Rig::asked(None);
    rig.answers(&format!("+FULLRESYNC {} 0\r\n$300\r\nbad", id(2)));
    rig.outputs();
    rig.link.handle(rig.now, Input::LoadFailed("no RDB".into()));
    assert!(matches!(rig.outputs()[..], [Output::AbortTransfer(_), Output::Disconnect]));
    assert_eq!(rig.answers("more of it"), 10, "the rest is dropped");
}

#[test]
fn a_cut_in_the_middle_of_a_transfer_throws_it_away() {
    let mut rig = Rig::asked(None);
    rig.answers(&format!("+FULLRESYNC {} 0\r\n$EOF:{MARK}\r\nhalf", id(2)));
    rig.outputs();
    rig.link.handle(rig.now, Input::Closed("reset".into()));
    assert!(matches!(rig.outputs()[..], [Output::AbortTransfer(_)]), "nothing is left to disconnect");
    assert_eq!(rig.link.phase(), Phase::BackOff);
}

#[test]
fn a_cut_while_a_complete_snapshot_loads_costs_no_second_one() {
    let mut rig = Rig::asked(None);
    rig.answers(&format!("+FULLRESYNC {} 500\r\n$3\r\nabc*1\r\n", id(2)));
    rig.outputs();
    rig.link.handle(rig.now, Input::Closed("reset".into()));
    assert_eq!(rig.outputs(), []);
    rig.wait(seconds(600));
    assert_eq!(rig.outputs(), [], "nobody is there to hear a newline");
    rig.link.handle(rig.now, Input::Loaded);
    let position = Some(Resume { replid: id(2), offset: 500 });
    assert_eq!(rig.outputs(), [Output::Adopt { position }, Output::Connect { host: "m".into(), port: 6379 }]);
    rig.link.handle(rig.now, Input::Connected { resume: position });
    rig.answers("+PONG\r\n+OK\r\n+OK\r\n+OK\r\n");
    assert_eq!(rig.sent().last().unwrap(), &format!("PSYNC {} 501", id(2)));
}

#[test]
fn a_loading_replica_writes_a_newline_each_second_and_no_ack() {
    let mut rig = Rig::asked(None);
    rig.answers(&format!("+FULLRESYNC {} 0\r\n$3\r\nabc", id(2)));
    rig.outputs();
    rig.link.send_ack(0, None);
    for _ in 0..120 {
        rig.wait(seconds(1));
        rig.link.handle_timeout(rig.now);
        assert_eq!(rig.sent(), ["\n"]);
    }
}

#[test]
fn the_stream_is_acknowledged_each_second() {
    let mut rig = Rig::streaming();
    for offset in 1..10u64 {
        assert_eq!(rig.wait_for_timer(), seconds(1));
        rig.link.note_received(rig.now);
        assert_eq!(rig.outputs(), [Output::AckDue]);
        rig.link.send_ack(offset, Some(offset - 1));
        assert_eq!(rig.sent(), [format!("REPLCONF ACK {offset} FACK {}", offset - 1)]);
    }
}

#[test]
fn silence_is_bounded_in_every_wait() {
    let full = format!("+FULLRESYNC {} 0\r\n", id(2));
    let intro = "+PONG\r\n+OK\r\n+OK\r\n+OK\r\n";
    for answers in ["", "+PONG\r\n", intro, &format!("{intro}{full}"), &format!("{intro}{full}$9\r\nabc")] {
        let mut rig = Rig::connected(LinkSettings::default(), None);
        rig.answers(answers);
        rig.wait(seconds(59));
        assert_ne!(rig.link.phase(), Phase::BackOff, "{answers}");
        rig.wait(seconds(1));
        assert_eq!(rig.link.phase(), Phase::BackOff, "{answers}");
        assert_eq!(rig.outputs().last(), Some(&Output::Disconnect));
    }
    let mut rig = Rig::new(LinkSettings::default());
    rig.link.handle(rig.now, Input::Follow { host: "m".into(), port: 1 });
    rig.wait(seconds(60));
    assert_eq!(rig.link.phase(), Phase::BackOff);
}

#[test]
fn newlines_keep_a_waiting_replica_from_giving_up() {
    let mut rig = Rig::asked(None);
    for _ in 0..300 {
        rig.wait(seconds(1));
        rig.answers("\n");
    }
    assert_eq!(rig.link.phase(), Phase::Handshake);
    rig.answers(&format!("+FULLRESYNC {} 0\r\n", id(2)));
    assert_eq!(rig.link.phase(), Phase::Transfer);
}

#[test]
fn a_silent_master_is_left_and_tried_again_at_once() {
    let mut rig = Rig::streaming();
    for _ in 0..59 {
        rig.wait(seconds(1));
    }
    rig.outputs();
    rig.wait(seconds(1));
    let outputs = rig.outputs();
    assert_eq!(outputs, [Output::Disconnect, Output::Connect { host: "m".into(), port: 6379 }]);
    rig.wait(seconds(7));
    let figures = rig.link.figures(rig.now);
    assert_eq!((figures.up, figures.last_io_seconds, figures.down_since_seconds), (false, -1, Some(7)));
}

#[test]
fn a_master_that_drops_the_link_at_once_is_not_asked_in_a_tight_loop() {
    let mut rig = Rig::streaming();
    rig.link.handle(rig.now, Input::Closed("output limit".into()));
    assert_eq!(rig.outputs(), []);
    // It cost the master no snapshot.
    assert!(rig.wait_for_timer() >= Duration::from_millis(50));
    assert!(matches!(rig.outputs()[..], [Output::Connect { .. }]));
}

#[test]
fn another_master_is_tried_at_once_whatever_went_on() {
    let mut rig = Rig::asked(None);
    rig.answers(&format!("+FULLRESYNC {} 0\r\n$9\r\nabc", id(2)));
    rig.outputs();
    rig.link.handle(rig.now, Input::Follow { host: "n".into(), port: 7 });
    let outputs = rig.outputs();
    assert!(
        matches!(&outputs[..], [Output::AbortTransfer(_), Output::Disconnect, Output::Connect { host, port: 7 }] if host == "n")
    );
    rig.link.handle(rig.now, Input::Loaded);
    rig.link.handle(rig.now, Input::LoadFailed("late".into()));
    assert_eq!(rig.outputs(), [], "reports of what was given up change nothing");
}

#[test]
fn unfollow_ends_everything() {
    let mut rig = Rig::streaming();
    rig.link.handle(rig.now, Input::Unfollow);
    assert_eq!(rig.outputs(), [Output::Disconnect]);
    assert_eq!((rig.link.phase(), rig.link.poll_timeout(), rig.link.master()), (Phase::Idle, None, None));
}

#[test]
fn info_follows_a_transfer() {
    let mut rig = Rig::asked(None);
    assert_eq!(rig.link.figures(rig.now).role_word, "handshake");
    rig.answers(&format!("+FULLRESYNC {} 0\r\n", id(2)));
    let transfer = rig.link.figures(rig.now).transfer.unwrap();
    assert_eq!((transfer.total, transfer.read, transfer.left), (-1, 0, -1));
    rig.answers("$10\r\nabcd");
    rig.wait(seconds(3));
    let figures = rig.link.figures(rig.now);
    let transfer = figures.transfer.unwrap();
    assert_eq!((transfer.total, transfer.read, transfer.left, transfer.last_io_seconds), (10, 4, 6, 3));
    assert_eq!((figures.role_word, figures.up, figures.down_since_seconds), ("sync", false, Some(-1)));
    assert_eq!(figures.full_sync_since, Some(Time(1_000_000_000)));
    rig.answers("efghij");
    rig.link.handle(rig.now, Input::Loaded);
    let figures = rig.link.figures(rig.now);
    assert_eq!((figures.role_word, figures.transfer, figures.down_since_seconds), ("connected", None, None));
    assert_eq!(figures.last_sync.unwrap().took, seconds(3));
}

#[test]
fn an_answer_without_end_is_not_collected_for_ever() {
    let mut rig = Rig::asked(None);
    for _ in 0..10_000 {
        rig.answers("x");
    }
    assert_eq!(rig.link.phase(), Phase::BackOff);
}
