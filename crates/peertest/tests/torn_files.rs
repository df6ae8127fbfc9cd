//! Append-only files with a torn end or flipped bits: the server starts with whole transactions only, or refuses and says
//! where the damage is and what can be done.

#![allow(clippy::disallowed_methods, reason = "tests on real processes: files are their means")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use peertest::{Client, LONG, Peer, Server, wait_for, wait_until};

const SHORT: Duration = Duration::from_secs(5);

/// The damage is done to this many bytes at the end.
const TAIL: u64 = 1024;

/// A folder of an append-only file whose last kilobyte holds single commands and transactions.
struct Written {
    /// Kept until the end of the test.
    _server: Server,
    folder: PathBuf,
    file: String,
    bytes: Vec<u8>,
    /// Where in the file each unit ends.
    ends: Vec<u64>,
}

/// Unit `i` sets `a` and `b` to `i` in a transaction if `i` is even, else `c` alone.
fn write() -> Written {
    let mut server = Server::start(Peer::Ours, &["appendonly yes"]);
    wait_until("the first base", LONG, || server.info().get("aof_rewrites") == Some("1"));
    let folder = server.data_folder().join("appendonlydir");
    let file = "appendonly.aof.1.incr.aof".to_owned();
    let mut client = server.client();
    let mut ends = Vec::new();
    for unit in 0..60 {
        let number = unit.to_string();
        if unit % 2 == 0 {
            let commands: [&[&[u8]]; 4] =
                [&[b"MULTI"], &[b"SET", b"a", number.as_bytes()], &[b"SET", b"b", number.as_bytes()], &[b"EXEC"]];
            client.pipeline(commands).expect("the server is up");
        } else {
            client.call(&[b"SET", b"c", number.as_bytes()]).expect("the server is up");
        }
        // The reply left after the write.
        ends.push(std::fs::metadata(folder.join(&file)).expect("the file").len());
    }
    drop(client);
    server.terminate();
    let bytes = std::fs::read(folder.join(&file)).expect("the file");
    Written { _server: server, folder, file, bytes, ends }
}

/// A server on a copy of the folder whose file is damaged.
struct Attempt {
    folder: tempfile::TempDir,
    process: Child,
}

impl Attempt {
    fn start(written: &Written, bytes: &[u8], truncated: &str) -> Attempt {
        let folder = tempfile::tempdir().expect("a folder");
        let files = folder.path().join("appendonlydir");
        std::fs::create_dir(&files).expect("a folder in it");
        for entry in std::fs::read_dir(&written.folder).expect("the folder") {
            let entry = entry.expect("an entry");
            std::fs::copy(entry.path(), files.join(entry.file_name())).expect("a copy");
        }
        std::fs::write(files.join(&written.file), bytes).expect("the damaged file");
        let (program, words) = Peer::Ours.server_program();
        let process = Command::new(program)
            .args(words)
            .args(["--port", "0", "--unixsocket", "socket", "--appendonly", "yes", "--save", ""])
            .args(["--aof-load-truncated", truncated])
            .arg("--dir")
            .arg(folder.path())
            .stdout(std::fs::File::create(folder.path().join("log")).expect("a log"))
            .stderr(Stdio::null())
            .spawn()
            .expect("our program starts");
        Attempt { folder, process }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The values of a, b and c, or what the log says if it does not start.
    fn outcome(&mut self) -> Result<[Option<u64>; 3], String> {
        wait_for("a start or its refusal", LONG, || {
            if self.process.try_wait().expect("our own child").is_some() {
                return Some(Err(std::fs::read_to_string(self.path().join("log")).unwrap_or_default()));
            }
            let mut client = Client::connect_unix(&self.path().join("socket"), SHORT).ok()?;
            let mut value = |key: &[u8]| client.call(&[b"GET", key]).ok();
            let values = [value(b"a")?, value(b"b")?, value(b"c")?];
            if values.iter().any(|value| value.as_error().is_some()) {
                return None; // It is loading.
            }
            Some(Ok(values.map(|value| value.as_str().and_then(|text| text.parse().ok()))))
        })
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the data set is after this many units.
fn after(units: usize) -> [Option<u64>; 3] {
    let last = |parity: u64| (0..units as u64).rev().find(|unit| unit % 2 == parity);
    [last(0), last(0), last(1)]
}

#[test]
fn a_file_cut_at_any_byte_starts_with_its_last_whole_unit() {
    let written = write();
    for cut in written.bytes.len() as u64 - TAIL..written.bytes.len() as u64 {
        let whole = written.ends.iter().filter(|end| **end <= cut).count();
        let mut attempt = Attempt::start(&written, &written.bytes[..cut as usize], "yes");
        assert_eq!(attempt.outcome(), Ok(after(whole)), "cut at {cut}");
    }
}

#[test]
fn a_cut_file_is_refused_with_its_place_if_the_settings_say_so() {
    let written = write();
    for cut in (written.bytes.len() as u64 - TAIL..written.bytes.len() as u64).step_by(23) {
        let whole = written.ends.iter().filter(|end| **end <= cut).count();
        let bytes = &written.bytes[..cut as usize];
        let mut attempt = Attempt::start(&written, bytes, "no");
        if written.ends[whole - 1] == cut {
            assert_eq!(attempt.outcome(), Ok(after(whole)), "cut at {cut}, between two units");
            continue;
        }
        let log = attempt.outcome().expect_err("it is refused");
        let place = format!("its last whole command or transaction ends at byte {}", written.ends[whole - 1]);
        assert!(log.contains(&place) && log.contains("set aof-load-truncated to yes"), "cut at {cut}: {log}");
        let left = std::fs::read(attempt.path().join("appendonlydir").join(&written.file)).expect("the file");
        assert_eq!(left, bytes, "the file is left as it is");
    }
}

#[test]
fn a_flipped_bit_is_refused_with_its_place_or_leaves_whole_units() {
    let written = write();
    let mut refused = 0;
    for at in (written.bytes.len() - TAIL as usize..written.bytes.len()).step_by(3) {
        let mut bytes = written.bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        let mut attempt = Attempt::start(&written, &bytes, "yes");
        match attempt.outcome() {
            // Inside a value nobody can see it; the file has no checksum, as those of the peers.
            Ok(values) => assert!(values[2].is_some() || bytes[at].is_ascii(), "flipped at {at}: {values:?}"),
            Err(log) => {
                refused += 1;
                assert!(log.contains(" at byte ") && log.contains("redis-check-aof --fix"), "flipped at {at}: {log}");
                let left = std::fs::read(attempt.path().join("appendonlydir").join(&written.file)).expect("the file");
                assert_eq!(left, bytes, "the file is left as it is");
            }
        }
    }
    assert!(refused > 100, "most flips hit the form of the file: {refused}");
}
