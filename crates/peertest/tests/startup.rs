//! How a server starts and ends as a program: its words, its files, its supervisor. Where a real peer does the same, it is
//! asked first.

#![allow(clippy::disallowed_methods, reason = "files, sockets and processes of the test itself")]

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use peertest::{Client, LONG, Peer, SHORT, Server, free_port, wait_for, wait_until};

/// The program with these words, in a folder.
fn program(peer: Peer, folder: &Path, words: &[&str]) -> Command {
    let (program, first) = peer.server_program();
    let mut command = Command::new(program);
    command.args(first).args(words).current_dir(folder).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running program; killed when dropped.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Running {
        Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts"))
    }

    fn end(&mut self, signal: &str) -> Option<i32> {
        kill(self.0.id(), signal);
        wait_for("the end of a program", SHORT, || self.0.try_wait().expect("our own child")).code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn kill(pid: u32, signal: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{signal} {pid}")]).status();
    assert!(status.is_ok_and(|status| status.success()), "kill -{signal} {pid}");
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn client(port: u16) -> Client {
    let address = format!("127.0.0.1:{port}");
    wait_for("the server to answer", SHORT, || {
        let mut client = Client::connect(&address, SHORT).ok()?;
        client.line("PING").ok()?;
        Some(client)
    })
}

/// A program that must end by itself with a failure: everything that it said.
#[track_caller]
fn refusal(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let said = [stdout, stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert_eq!(status.code(), Some(1), "{said}");
    said
}

#[test]
fn a_server_that_cannot_start_says_why_and_ends_with_a_failure() {
    let place = folder();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("it is bound").port().to_string();
    let busy = ["--bind", "127.0.0.1", "--port", &port];
    for peer in [Peer::Valkey80, Peer::Ours] {
        let said = |words: &[&str]| refusal(program(peer, place.path(), words));
        assert!(said(&["missing.conf"]).contains("Fatal error, can't open config file"));
        assert!(said(&["missing.conf"]).contains("missing.conf': No such file or directory"));
        assert!(said(&["--port", "0"]).contains("Configured to not listen anywhere, exiting."));
        assert!(said(&["--logfile", "no/such/log"]).contains("Can't open the log file: No such file or directory"));
        assert!(said(&["--dir", "no/such/folder"]).contains("No such file or directory"));
        assert!(said(&busy).contains(&format!("Could not create server TCP listening socket 127.0.0.1:{port}: ")));
        assert!(said(&["--port", "0", "--unixsocket", "no/socket"]).contains("Failed opening Unix socket"));
        assert!(said(&["--rename-command", "NOPE", "x"]).contains("No such command in rename-command"));
        assert!(said(&["--no-such-directive", "1"]).contains("Bad directive or wrong number of arguments"));
        assert!(said(&["--port", "99999"]).contains("argument must be between 0 and 65535 inclusive"));
    }
    let directory = refusal(program(Peer::Ours, place.path(), &["."]));
    assert!(directory.contains("Is a directory"), "{directory}");
    let memory = refusal(program(Peer::Ours, place.path(), &["--test-memory", "10"]));
    assert!(memory.contains("no memory test"), "{memory}");
}

#[test]
fn under_the_name_of_a_peer_the_program_is_a_server_with_a_file_words_and_standard_input() {
    let place = folder();
    let link = place.path().join("redis-server");
    std::os::unix::fs::symlink(Peer::Ours.server_program().0, &link).expect("a link");
    let version = Command::new(&link).arg("--version").output().expect("the program starts");
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("Lockstep server v="));
    let check = Command::new(&link).arg("--check-system").output().expect("the program starts");
    assert!(check.status.success() && String::from_utf8_lossy(&check.stdout).contains("[overcommit]"));
    let port = free_port();
    std::fs::write(place.path().join("a.conf"), "maxclients 11\nhz 11\nsave ''\n").expect("a file in the folder");
    let mut command = Command::new("sh");
    let line = format!("echo 'hz 22' | exec ./redis-server a.conf --port {port} --tcp-backlog 99 -");
    command.args(["-c", &line]).current_dir(place.path());
    let _running = Running::start(command);
    let mut client = client(port);
    let mut setting = |name: &str| {
        let value = client.line(&format!("CONFIG GET {name}")).expect("an answer");
        format!("{value:?}")
    };
    for (name, value) in [("maxclients", "11"), ("hz", "22"), ("tcp-backlog", "99")] {
        assert!(setting(name).contains(value), "{name}");
    }
    client.line("SHUTDOWN").expect_err("the connection is closed");
}

#[test]
fn a_server_in_the_background_leaves_a_pid_file_and_a_log_and_takes_the_file_with_it() {
    for peer in [Peer::Redis70, Peer::Ours] {
        let place = folder();
        std::fs::create_dir(place.path().join("data")).expect("a folder in a new folder");
        let port = free_port();
        let pidfile = place.path().join("the.pid");
        let words = ["--port", &port.to_string(), "--daemonize", "yes", "--logfile", "the.log", "--dir", "data"];
        let mut command = program(peer, place.path(), &words);
        let Output { status, stdout, stderr } =
            command.args(["--save", "", "--pidfile"]).arg(&pidfile).output().expect("the program starts");
        assert!(status.success() && stdout.is_empty() && stderr.is_empty(), "{peer:?} leaves the terminal");
        drop(client(port));
        let pid: u32 = std::fs::read_to_string(&pidfile).expect("a pid file").trim().parse().expect("a pid");
        let log = place.path().join("data/the.log");
        assert!(std::fs::read_to_string(&log).expect("a log").contains("Ready to accept connections"));
        for stream in 0..3 {
            let target = std::fs::read_link(format!("/proc/{pid}/fd/{stream}")).expect("an open stream");
            assert_eq!(target, Path::new("/dev/null"));
        }
        // A rotated log is left behind.
        std::fs::rename(&log, place.path().join("data/old.log")).expect("the log is a file");
        kill(pid, "HUP");
        kill(pid, "TERM");
        wait_until("the end", SHORT, || !pidfile.exists());
        wait_until("the last line", SHORT, || {
            std::fs::read_to_string(&log).is_ok_and(|text| text.contains("ready to exit, bye bye"))
        });
    }
}

#[test]
fn a_unix_socket_replaces_a_stale_file_and_is_gone_at_the_end() {
    for peer in [Peer::Redis70, Peer::Ours] {
        let place = folder();
        let path = place.path().join("the.sock");
        drop(UnixListener::bind(&path).expect("a socket that nobody listens on any more"));
        let socket = path.display().to_string();
        let words = ["--port", "0", "--save", "", "--unixsocket", &socket, "--unixsocketperm", "700"];
        let mut running = Running::start(program(peer, place.path(), &words));
        let mut client = wait_for("the server to answer", SHORT, || {
            let mut client = Client::connect_unix(&path, SHORT).ok()?;
            client.line("PING").ok()?;
            Some(client)
        });
        let mode = std::fs::metadata(&path).expect("the socket").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let info = client.line("CLIENT INFO").expect("an answer");
        let info = info.as_str().expect("a text");
        assert!(info.contains(&format!(" addr={socket}:0 laddr={socket}:0 ")) && info.contains(" flags=U "), "{info}");
        assert_eq!(running.end("INT"), Some(0));
        assert!(!path.exists());
    }
}

/// Everything that came to a supervisor's socket until this came.
fn news_until(socket: &UnixDatagram, last: &str) -> Vec<String> {
    socket.set_read_timeout(Some(LONG)).expect("a time-out is set");
    let mut news = Vec::new();
    let mut buffer = [0; 1000];
    while news.last().is_none_or(|line| line != last) {
        let length =
            socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{last:?} did not come: {error}; {news:?}"));
        news.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    news
}

#[test]
fn systemd_hears_of_readiness_when_the_data_set_is_there_and_of_the_end() {
    let mut source = Server::start(Peer::Ours, &["enable-debug-command yes", "save '3600 1'"]);
    source.run("DEBUG POPULATE 100000");
    source.terminate();
    for (peer, name) in [(Peer::Redis70, "Redis"), (Peer::Ours, "Lockstep")] {
        let place = folder();
        std::fs::copy(source.data_folder().join("dump.rdb"), place.path().join("dump.rdb")).expect("a saved data set");
        let socket = UnixDatagram::bind(place.path().join("notify")).expect("a socket");
        let port = free_port();
        let words = ["--port", &port.to_string(), "--supervised", "auto", "--daemonize", "yes"];
        let mut command = program(peer, place.path(), &words);
        command.env("NOTIFY_SOCKET", place.path().join("notify"));
        let mut running = Running::start(command);
        let news = news_until(&socket, "READY=1\n");
        assert_eq!(news[0], format!("STATUS={name} is loading...\n"));
        assert_eq!(news[news.len() - 2], "STATUS=Ready to accept connections\n");
        let mut client = client(port);
        assert_eq!(client.line("DBSIZE").expect("an answer"), peertest::Value::Int(100_000));
        assert!(running.0.try_wait().expect("our own child").is_none(), "it stays in the foreground");
        let info = client.line("INFO server").expect("an answer");
        assert!(info.as_str().expect("a text").contains("process_supervised:systemd"));
        assert_eq!(running.end("TERM"), Some(0));
        news_until(&socket, "STOPPING=1\n");
    }
}

#[test]
fn a_file_beyond_the_limit_of_sizes_fails_and_the_server_goes_on() {
    // The system sends SIGXFSZ, which ends a program that does not expect it, and a real server with SAVE.
    let place = folder();
    let (program, first) = Peer::Ours.server_program();
    let port = free_port();
    let words = format!("--port {port} --save '' --rdbcompression no --repl-diskless-sync no");
    let line = format!("ulimit -f 200; exec {} {} {words}", program.display(), first.join(" "));
    let mut command = Command::new("sh");
    command.args(["-c", &line]).current_dir(place.path());
    let mut running = Running::start(command);
    let mut client = client(port);
    let mut line = |line: &str| client.line(line).expect("it goes on");
    line("SETRANGE large 1000000 x");
    assert!(line("SAVE").as_error().is_some());
    line("BGSAVE");
    wait_until("the save to fail", SHORT, || {
        line("INFO persistence").as_str().unwrap_or("").contains("rdb_last_bgsave_status:err")
    });
    let replica = Server::start(Peer::Ours, &[&format!("replicaof '127.0.0.1 {port}'")]);
    wait_until("a synchronisation to be tried", SHORT, || {
        line("INFO stats").as_str().unwrap_or("").contains("sync_full:1")
    });
    wait_until("it to fail", SHORT, || line("INFO replication").as_str().unwrap_or("").contains("connected_slaves:0"));
    drop(replica);
    line("DEL large");
    assert!(line("SAVE").as_error().is_none());
    let files = std::fs::read_dir(place.path()).expect("our folder");
    let files: Vec<_> = files.map(|file| file.expect("a readable folder").file_name()).collect();
    assert_eq!(files, ["dump.rdb"], "nothing unfinished stays");
    assert_eq!(running.end("TERM"), Some(0));
}

#[test]
fn a_limit_of_open_files_that_is_too_low_lowers_maxclients() {
    for peer in [Peer::Redis70, Peer::Ours] {
        let place = folder();
        let port = free_port();
        let (program, first) = peer.server_program();
        let line = format!("ulimit -n 200; exec {} {} --port {port} --save ''", program.display(), first.join(" "));
        let mut command = Command::new("sh");
        command.args(["-c", &line]).current_dir(place.path());
        let running = Running::start(command);
        let mut client = client(port);
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", running.0.id())).expect("a running process");
        let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("the line is there");
        let files: u32 = files.split_whitespace().nth(3).expect("the soft limit").parse().expect("a number");
        let wanted = (files - 32).min(10_000);
        let value = client.line("CONFIG GET maxclients").expect("an answer");
        assert!(format!("{value:?}").contains(&wanted.to_string()), "{files} files, {value:?}");
        if files < 10_000 {
            let refused = client.line("CONFIG SET maxclients 50000").expect("an answer");
            let text = String::from_utf8_lossy(refused.as_error().expect("a refusal")).into_owned();
            assert!(text.contains(&format!("not able to handle the specified number of clients, try with {wanted}")));
        }
    }
}

/// A file that is no data set, or a damaged one, is left alone: starting with less would be the end of the rest.
#[test]
fn a_damaged_data_set_keeps_the_server_from_starting() {
    let mut source = Server::start(Peer::Valkey80, &["enable-debug-command yes", "save '3600 1'"]);
    source.run("DEBUG POPULATE 1000");
    source.terminate();
    let whole = std::fs::read(source.data_folder().join("dump.rdb")).expect("a saved data set");
    let half = whole[..whole.len() / 2].to_vec();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 0x40;
    let mut newer = whole.clone();
    newer[5..9].copy_from_slice(b"0099");
    for (name, bytes) in [("half", half), ("flipped", flipped), ("newer", newer), ("empty", Vec::new())] {
        for peer in [Peer::Valkey80, Peer::Ours] {
            let place = folder();
            let path = place.path().join("dump.rdb");
            std::fs::write(&path, &bytes).expect("a file in the folder");
            let said = refusal(program(peer, place.path(), &["--port", &free_port().to_string()]));
            assert!(peer != Peer::Ours || said.contains("Fatal error loading the DB"), "{name}: {said}");
            assert_eq!(std::fs::read(&path).expect("it is still there"), bytes, "{name}");
        }
    }
}

/// A data set that comes slowly: through a pipe that nobody has written to yet.
#[test]
fn while_the_data_set_is_loaded_it_is_refused_and_a_signal_ends_the_server() {
    let place = folder();
    let made = Command::new("mkfifo").arg(place.path().join("dump.rdb")).status();
    assert!(made.is_ok_and(|status| status.success()), "a named pipe");
    let port = free_port();
    let words = ["--port", &port.to_string(), "--save", "3600 1"];
    let mut running = Running::start(program(Peer::Ours, place.path(), &words));
    let address = format!("127.0.0.1:{port}");
    let mut client = wait_for("the server to take connections", SHORT, || Client::connect(&address, SHORT).ok());
    for (line, answer) in [
        ("GET k", "LOADING Redis is loading the dataset in memory"),
        ("PING", "LOADING Redis is loading the dataset in memory"),
        ("SHUTDOWN ABORT", "ERR No shutdown in progress."),
    ] {
        let value = client.line(line).expect("an answer");
        assert_eq!(value.as_error(), Some(answer.as_bytes()), "{line}");
    }
    let info = client.line("INFO persistence").expect("an answer");
    let info = peertest::Info::parse(info.as_str().expect("a text"));
    assert_eq!((info.text("loading"), info.text("loading_loaded_bytes")), ("1", "0"));
    for field in ["loading_start_time", "loading_total_bytes", "loading_loaded_perc", "loading_eta_seconds"] {
        info.text(field);
    }
    assert_eq!(running.end("TERM"), Some(0));
    let kind = std::fs::symlink_metadata(place.path().join("dump.rdb")).expect("it is still there").file_type();
    assert!(!kind.is_file(), "nothing was saved in its place");
}

/// upstart waits until the program that it started stops itself.
#[test]
fn upstart_sees_the_process_stop_when_it_is_ready() {
    for peer in [Peer::Redis70, Peer::Ours] {
        let place = folder();
        let port = free_port();
        let mut command = program(peer, place.path(), &["--port", &port.to_string(), "--supervised", "upstart"]);
        let mut running = Running::start({
            command.env("UPSTART_JOB", "redis");
            command
        });
        let stat = format!("/proc/{}/stat", running.0.id());
        wait_until("the process to stop", SHORT, || {
            let text = std::fs::read_to_string(&stat).expect("it is there");
            text.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
        });
        kill(running.0.id(), "CONT");
        let info = client(port).line("INFO server").expect("an answer");
        assert!(info.as_str().expect("a text").contains("process_supervised:upstart"));
        running.end("TERM");
    }
}

#[test]
fn a_second_interrupt_ends_a_program_whose_executor_is_busy() {
    let mut server = Server::start(Peer::Ours, &["enable-debug-command yes"]);
    let mut busy = server.client();
    busy.set_timeout(Some(Duration::from_secs(60))).expect("a time-out is set");
    busy.send(&[b"DEBUG", b"SLEEP", b"60"]).expect("an open connection");
    let mut other = server.client();
    wait_until("the executor to be busy", SHORT, || {
        other.set_timeout(Some(Duration::from_millis(200))).expect("a time-out is set");
        other.line("PING").is_err()
    });
    server.signal("INT");
    assert!(server.is_alive());
    // On a busy machine two signals may arrive as one.
    wait_until("the end", SHORT, || {
        let alive = server.is_alive();
        if alive {
            server.signal("INT");
        }
        !alive
    });
    assert_eq!(server.wait_for_exit(), Some(1));
}

// A save that a SIGKILL interrupts leaves its file behind; the peers leave such files for ever.
#[test]
fn unfinished_files_of_killed_servers_go_at_the_next_start_and_those_of_others_stay() {
    let mut server = Server::start(Peer::Ours, &["appendonly yes"]);
    server.kill();
    let data = server.data_folder().to_owned();
    let mut gone = Command::new("true").spawn().expect("a program that ends at once");
    gone.wait().expect("our own child");
    let (gone, here) = (gone.id(), std::process::id());
    let remain = [format!("temp-lockstep-{here}-1"), format!("temp-{gone}.rdb"), format!("temp-lockstep-{gone}-x")];
    let go = [format!("temp-lockstep-{gone}-1"), format!("appendonlydir/temp-lockstep-{gone}-2")];
    let held = std::fs::File::create(data.join(format!("temp-lockstep-{gone}-3"))).expect("a file");
    held.lock().expect("a lock that nobody else has");
    for name in remain.iter().chain(&go) {
        std::fs::write(data.join(name), "half").expect("a file");
    }
    server.start_again(&[]);
    for name in go {
        assert!(!data.join(&name).exists(), "{name} is left");
        assert!(server.log().contains(&format!("{name}, which a server that was killed left behind")));
    }
    for name in remain.into_iter().chain([format!("temp-lockstep-{gone}-3")]) {
        assert!(data.join(&name).exists(), "{name} is another's");
    }
}
