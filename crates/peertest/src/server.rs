//! A server process on a free loopback port, with a folder of its own and its log kept.

use crate::{Info, Peer, SHORT, wait_for};
use client::{Client, Value};
use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// How long to wait for any one reply.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// What every server is started with; the test's own directives come behind and win.
const DIRECTIVES: &[&str] = &["bind 127.0.0.1", "save ''", "repl-diskless-sync-delay 0", "repl-backlog-size 64mb"];

/// A running server, or one that was killed and can be started again. It is killed when dropped; if the test failed
/// its log's end is shown then and its folder stays.
pub struct Server {
    peer: Peer,
    port: u16,
    directives: Vec<String>,
    environment: Vec<(String, String)>,
    folder: Option<tempfile::TempDir>,
    process: Option<Child>,
    connection: RefCell<Option<Client>>,
}

impl Server {
    /// Starts a server with directives such as `"maxmemory 1gb"` or `"save '3600 1'"` and waits until it answers.
    pub fn start(peer: Peer, directives: &[&str]) -> Server {
        Server::start_with(peer, directives, &[])
    }

    /// As [`Server::start`], with further variables in its environment.
    pub fn start_with(peer: Peer, directives: &[&str], environment: &[(&str, &str)]) -> Server {
        let folder = tempfile::Builder::new().prefix(&format!("{}-", peer.name())).tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("data")).expect("a folder in a new folder");
        let mut server = Server {
            peer,
            port: free_port(),
            directives: DIRECTIVES.iter().chain(directives).map(|&line| line.to_owned()).collect(),
            environment: environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
            folder: Some(folder),
            process: None,
            connection: RefCell::new(None),
        };
        server.start_again(&[]);
        server
    }

    /// Starts a killed or terminated server on the same port, in the same folder, with further directives.
    pub fn start_again(&mut self, directives: &[&str]) {
        assert!(self.process.is_none(), "{} runs already", self.peer.name());
        self.directives.extend(directives.iter().map(|&line| line.to_owned()));
        let (program, words) = self.peer.server_program();
        let mut command = match self.peer {
            Peer::Ours => Command::new(&program),
            // Real servers are killed by the signal that comes with a write beyond the limit of file sizes.
            _ => {
                let mut shell = Command::new("sh");
                shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(&program);
                shell
            }
        };
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.args(words).args(["--port", &self.port.to_string()]).arg("--dir").arg(self.data_folder());
        for line in &self.directives {
            let (name, value) = line.split_once(' ').unwrap_or((line, ""));
            command.arg(format!("--{name}"));
            match value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')) {
                Some(quoted) => command.arg(quoted),
                None => command.args(value.split_whitespace()),
            };
        }
        let log = OpenOptions::new().create(true).append(true).open(self.log_path()).expect("a log file");
        let errors = log.try_clone().expect("a second handle of the log");
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let process = command.spawn().unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
        self.process = Some(process);
        self.wait_until_it_answers();
    }

    fn wait_until_it_answers(&mut self) {
        wait_for(&format!("{} to answer", self.peer.name()), SHORT, || {
            let process = self.process.as_mut().expect("started above");
            if let Ok(Some(status)) = process.try_wait() {
                panic!("{} ended at once: {status}\n{}", self.peer.name(), self.log_end());
            }
            let mut client = Client::connect(&self.address(), SHORT).ok()?;
            matches!(client.line("PING"), Ok(Value::Simple(_))).then_some(())
        });
    }

    /// Which implementation it is.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A new connection.
    #[track_caller]
    pub fn client(&self) -> Client {
        match Client::connect(&self.address(), REPLY_TIMEOUT) {
            Ok(client) => client,
            Err(error) => panic!("{}: {error}", self.peer.name()),
        }
    }

    /// Runs a command of words over a connection kept for this. An error reply is a value like others.
    #[track_caller]
    pub fn call(&self, words: &str) -> Value {
        match self.try_call(words) {
            Ok(value) => value,
            Err(error) => panic!("{}: {words}: {error}", self.peer.name()),
        }
    }

    /// As [`Server::call`], for servers that may be away.
    pub fn try_call(&self, words: &str) -> Result<Value, client::Error> {
        let mut slot = self.connection.borrow_mut();
        let mut client = match slot.take() {
            Some(client) => client,
            None => Client::connect(&self.address(), REPLY_TIMEOUT)?,
        };
        let value = client.line(words)?;
        *slot = Some(client);
        Ok(value)
    }

    /// Runs a command that must succeed.
    #[track_caller]
    pub fn run(&self, words: &str) -> Value {
        let value = self.call(words);
        assert!(value.as_error().is_none(), "{}: {words}: {value:?}", self.peer.name());
        value
    }

    /// INFO with all default sections.
    #[track_caller]
    pub fn info(&self) -> Info {
        let value = self.run("INFO");
        Info::parse(value.as_str().unwrap_or_else(|| panic!("INFO is no text: {value:?}")))
    }

    /// Makes it a replica of the server on that loopback port.
    #[track_caller]
    pub fn replicate(&self, port: u16) {
        self.run(&format!("REPLICAOF 127.0.0.1 {port}"));
    }

    /// Kills it without warning (SIGKILL).
    pub fn kill(&mut self) {
        *self.connection.get_mut() = None;
        if let Some(mut process) = self.process.take() {
            process.kill().expect("our own child can be killed");
            process.wait().expect("our own child can be waited for");
        }
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    pub fn terminate(&mut self) {
        self.signal("TERM");
        *self.connection.get_mut() = None;
        let mut process = self.process.take().expect("signalled above");
        let status = wait_for("the end of a terminated server", SHORT, || process.try_wait().expect("our own child"));
        assert!(status.success(), "{} ended with {status}", self.peer.name());
    }

    /// Waits until it has ended by itself: its exit code, None if a signal ended it.
    pub fn wait_for_exit(&mut self) -> Option<i32> {
        *self.connection.get_mut() = None;
        let mut process = self.process.take().expect("it was started");
        let status = wait_for("the end of a server", SHORT, || process.try_wait().expect("our own child"));
        status.code()
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.try_wait().expect("our own child").is_none())
    }

    /// Stops it without its knowing (SIGSTOP), until [`Server::resume`].
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Sends it a signal: `TERM`, `INT`, `HUP`.
    pub fn signal(&self, name: &str) {
        let process = self.process.as_ref().unwrap_or_else(|| panic!("{} does not run", self.peer.name()));
        // The shell's kill: the standard library has none, and one call is no reason for unsafe code.
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", process.id())]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{name} of {}", self.peer.name());
    }

    /// From now on it can write no file beyond so many bytes, as if the disk were full there; None: as far as it likes.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let process = self.process.as_ref().unwrap_or_else(|| panic!("{} does not run", self.peer.name()));
        let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        // The soft limit only: a process without rights may raise it again.
        let words = [format!("--pid={}", process.id()), format!("--fsize={limit}:")];
        let status = Command::new("prlimit").args(words).status();
        assert!(status.is_ok_and(|status| status.success()), "prlimit of {}", self.peer.name());
    }

    /// Where it keeps its files.
    pub fn data_folder(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// The names of its files, sorted.
    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.data_folder()).expect("the server's folder");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log_path()).unwrap_or_default()).into_owned()
    }

    fn log_path(&self) -> PathBuf {
        self.folder().join("log")
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    fn folder(&self) -> &std::path::Path {
        self.folder.as_ref().expect("it is there until the drop").path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("── {} on port {} logged ──\n{}", self.peer.name(), self.port, self.log_end());
            let folder = self.folder.take().expect("taken only here").keep();
            eprintln!("its folder is kept: {}", folder.display());
        }
    }
}

/// A port below those that the system gives to outgoing connections, so that a killed server finds it free again. Tests in
/// other processes take theirs from other blocks: their replicas must not find our servers where theirs were killed.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    static BLOCK: OnceLock<PortBlock> = OnceLock::new();
    let block = BLOCK.get_or_init(PortBlock::claim);
    for _ in 0..PORTS_OF_BLOCK {
        let port = block.first + NEXT.fetch_add(1, Ordering::Relaxed) % PORTS_OF_BLOCK;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

const PORTS_OF_BLOCK: u16 = 200;

/// Ports that are this process's alone as long as it lives.
struct PortBlock {
    first: u16,
    /// Locked.
    _claim: File,
}

impl PortBlock {
    fn claim() -> PortBlock {
        const BLOCKS: u16 = 100;
        let folder = std::env::temp_dir().join("lockstep-test-ports");
        std::fs::create_dir_all(&folder).expect("a folder for claims");
        for block in 0..BLOCKS {
            let first = 10_000 + block * PORTS_OF_BLOCK;
            let claim = OpenOptions::new().create(true).append(true).open(folder.join(first.to_string()));
            let claim = claim.expect("a file for a claim");
            if claim.try_lock().is_ok() {
                return PortBlock { first, _claim: claim };
            }
        }
        panic!("all blocks of ports are taken");
    }
}
