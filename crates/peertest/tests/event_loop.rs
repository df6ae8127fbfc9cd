//! The loop serves the same through io_uring and through epoll: many clients at once, one that reads late, one that goes, and
//! the link to a master.

use peertest::{Client, LONG, Peer, SHORT, Server, assert_equal, wait_for_link, wait_until};

const CLIENTS: usize = 40;

/// Many clients ask at once and get what they asked for, each its own, time and again.
fn many_clients_at_once(server: &Server) {
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.client()).collect();
    for round in 0..50 {
        let text = |at: usize| format!("value {at} of round {round}");
        for (at, client) in clients.iter_mut().enumerate() {
            client.send(&[b"SET", format!("key:{at}").as_bytes(), text(at).as_bytes()]).expect("room");
            client.send(&[b"GET", format!("key:{at}").as_bytes()]).expect("room");
        }
        for (at, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.reply().expect("a reply").as_str(), Some("OK"));
            assert_eq!(client.reply().expect("a reply").as_str(), Some(text(at).as_str()));
        }
    }
}

/// Whoever reads late gets everything all the same, and holds nobody up.
fn a_client_that_reads_late(server: &Server) {
    const TIMES: usize = 8;
    let value = vec![b'x'; 4 << 20];
    let mut late = server.client();
    late.call(&[b"SET", b"large", &value]).expect("it is stored");
    for _ in 0..TIMES {
        late.send(&[b"GET", b"large"]).expect("room");
        late.send(&[b"PING"]).expect("room");
    }
    assert_eq!(server.client().line("PING").expect("a reply").as_str(), Some("PONG"));
    for _ in 0..TIMES {
        assert_eq!(late.reply().expect("a reply").as_bytes(), Some(value.as_slice()));
        assert_eq!(late.reply().expect("a reply").as_str(), Some("PONG"));
    }
}

/// Long arguments arrive from several clients at once, with requests before, between and behind them.
fn long_arguments_from_many(server: &Server) {
    let noise = |seed: usize, len: usize| -> Vec<u8> {
        let mut rng = fastrand::Rng::with_seed(seed as u64);
        std::iter::repeat_with(|| rng.u8(..)).take(len).collect()
    };
    std::thread::scope(|scope| {
        for at in 0..6 {
            let mut client = server.client();
            scope.spawn(move || {
                let key = format!("long:{at}");
                for round in 0..3 {
                    let first = noise(at, (3 << 20) + (64 << 10) * round + at);
                    let second = noise(at + 100, (5 << 20) + round);
                    client.send(&[b"PING"]).expect("room");
                    client.send(&[b"SET", key.as_bytes(), &first]).expect("room");
                    client.send(&[b"APPEND", key.as_bytes(), &second]).expect("room");
                    client.send(&[b"MSET", b"a", &second, key.as_bytes(), &first, b"b", b"short"]).expect("room");
                    client.send(&[b"GET", key.as_bytes()]).expect("room");
                    assert_eq!(client.reply().expect("a reply").as_str(), Some("PONG"));
                    assert_eq!(client.reply().expect("a reply").as_str(), Some("OK"));
                    let length = (first.len() + second.len()) as i64;
                    assert_eq!(client.reply().expect("a reply").as_int(), Some(length));
                    assert_eq!(client.reply().expect("a reply").as_str(), Some("OK"));
                    assert!(client.reply().expect("a reply").as_bytes() == Some(first.as_slice()), "{key} differs");
                }
            });
        }
    });
    // One that goes in the middle leaves nothing behind.
    let mut short = server.client();
    short.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$9000000\r\n").expect("room");
    short.send_raw(&noise(7, 4 << 20)).expect("room");
    drop(short);
    wait_until("the half argument to be gone", SHORT, || server.info().number("connected_clients") == 1);
    assert_eq!(server.client().line("EXISTS c").expect("a reply").as_int(), Some(0));
}

/// Connections come and go, and whoever is closed by the server hears of it.
fn clients_that_go(server: &Server) {
    for _ in 0..30 {
        let mut clients: Vec<Client> = (0..10).map(|_| server.client()).collect();
        for client in &mut clients {
            assert_eq!(client.line("PING").expect("a reply").as_str(), Some("PONG"));
        }
    }
    let mut victim = server.client();
    let id = victim.line("CLIENT ID").expect("a reply").as_int().expect("a number");
    assert_eq!(server.client().line(&format!("CLIENT KILL ID {id}")).expect("a reply").as_int(), Some(1));
    assert!(victim.line("PING").is_err(), "the connection is closed");
    wait_until("all others to be gone", SHORT, || server.info().number("connected_clients") == 1);
}

/// A client is closed by another, and a new one comes, before the loop gets to either.
fn one_goes_while_another_comes(server: &Server) {
    for _ in 0..20 {
        let (mut killer, mut victim) = (server.client(), server.client());
        let id = victim.line("CLIENT ID").expect("a reply").as_int().expect("a number");
        server.pause();
        killer.send(&[b"CLIENT", b"KILL", b"ID", id.to_string().as_bytes()]).expect("room");
        let mut new = server.client();
        new.send(&[b"PING"]).expect("room");
        server.resume();
        assert_eq!(killer.reply().expect("a reply").as_int(), Some(1));
        assert_eq!(new.reply().expect("a reply").as_str(), Some("PONG"));
        assert!(victim.line("PING").is_err(), "the connection is closed");
    }
}

fn serves(setting: &str, api: &str) {
    let master = Server::start(Peer::Ours, &[setting]);
    let replica = Server::start(Peer::Ours, &[setting]);
    assert_eq!(master.info().text("multiplexing_api"), api);
    many_clients_at_once(&master);
    a_client_that_reads_late(&master);
    long_arguments_from_many(&master);
    one_goes_while_another_comes(&master);
    clients_that_go(&master);
    replica.replicate(master.port());
    wait_for_link(&replica);
    many_clients_at_once(&master);
    wait_until("the replica to have everything", LONG, || {
        replica.info().number("slave_repl_offset") == master.info().number("master_repl_offset")
    });
    assert_equal(&master, &replica);
}

#[test]
fn sockets_are_served_through_io_uring() {
    serves("io-uring yes", "io_uring");
}

#[test]
fn sockets_are_served_through_epoll() {
    serves("io-uring no", "epoll");
}

#[test]
fn a_long_span_of_gathering_holds_nobody_up_for_good() {
    serves("io-gather-usec 10000", "io_uring");
}
