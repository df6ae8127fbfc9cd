//! The servers under measurement: started on a free port in a folder of their own, ended when dropped; what INFO and the
//! system say of them.

use crate::server::target;
use crate::{Outcome, workspace};
use client::{Client, Value};
use std::ffi::OsString;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const START_MAX: Duration = Duration::from_secs(10);
const RESTART_MAX: Duration = Duration::from_secs(300);
const PAGE_BYTES: u64 = 4096;
/// What Linux counts processor time in, on all machines that matter here.
const TICKS_PER_SECOND: f64 = 100.0;

/// A server that runs.
pub struct Server {
    /// What tables call it.
    pub name: String,
    /// Where it listens.
    pub address: String,
    child: Child,
    folder: PathBuf,
    /// What starts it once more.
    command: Vec<OsString>,
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Processor time of all programs that were started and have ended.
pub fn ended_cpu_seconds() -> f64 {
    cpu_seconds("self", 13)
}

/// User and system time of a process, which stand at this place and the next behind the program's name in its `stat`.
fn cpu_seconds(pid: &str, at: usize) -> f64 {
    let stat = read(&format!("/proc/{pid}/stat"));
    // The name stands in brackets.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(at) + ticks(at + 1)) / TICKS_PER_SECOND
}

/// A program on this core alone, where there are two cores and `taskset`; else anywhere.
pub fn pinned(program: &Path, core: usize) -> Command {
    if cores() < 2 || !Path::new("/usr/bin/taskset").exists() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The present code.
    Ours,
    /// Valkey 9.1.
    Valkey,
}

/// The programs under measurement.
pub struct Programs {
    ours: PathBuf,
    valkey: PathBuf,
}

impl Programs {
    /// Ours is this program, or else the present code, built with all optimisations; Valkey 9.1 comes from the folder of
    /// the peers.
    pub fn find(program: Option<&Path>) -> Outcome<Programs> {
        let built = target().join("release/lockstep");
        if program.is_none() {
            let mut build = Command::new(workspace::cargo());
            build.args(["build", "--quiet", "--release", "-p", "server", "--bin", "lockstep"]);
            let status = build.current_dir(workspace::root()).status().map_err(|error| format!("cargo: {error}"))?;
            if !status.success() {
                return Err("lockstep cannot be built".to_owned());
            }
        }
        let valkey = workspace::peers().join("valkey91-server");
        if !valkey.exists() {
            return Err(format!("{} is missing: run `cargo xtask peers`", valkey.display()));
        }
        Ok(Programs { ours: program.map_or(built, Path::to_owned), valkey })
    }

    /// Starts a server with directives such as `["--appendonly", "yes"]`.
    pub fn start(&self, kind: Kind, directives: &[&str]) -> Outcome<Server> {
        match kind {
            Kind::Ours => Server::start("Lockstep", "lockstep_version", &self.ours, &["server"], directives),
            Kind::Valkey => Server::start("Valkey", "valkey_version", &self.valkey, &[], directives),
        }
    }

    /// Starts ours under valgrind, which counts its instructions in the file `counts` of its folder.
    pub fn start_counted(&self) -> Outcome<Server> {
        let valgrind = Path::new("/usr/bin/valgrind");
        if !valgrind.exists() {
            return Err("valgrind is missing".to_owned());
        }
        let ours = self.ours.display().to_string();
        let folder = Server::folder()?;
        let file = format!("--cachegrind-out-file={}", folder.join("counts").display());
        let words = ["--quiet", "--tool=cachegrind", "--cache-sim=no", &file, &ours, "server"];
        Server::start_in(folder, "Lockstep", "lockstep_version", valgrind, &words, &["--hz", "1"])
    }
}

impl Server {
    /// Starts ours: this program, or else the present code.
    pub fn ours(program: Option<&Path>) -> Outcome<Server> {
        Programs::find(program)?.start(Kind::Ours, &[])
    }

    /// Starts Valkey 9.1.
    pub fn valkey() -> Outcome<Server> {
        Server::peer("valkey91")
    }

    /// Starts one of the peers from their folder: `valkey91`, `redis80` …
    pub fn peer(name: &str) -> Outcome<Server> {
        let program = workspace::peers().join(format!("{name}-server"));
        if !program.exists() {
            return Err(format!("{} is missing: run `cargo xtask peers`", program.display()));
        }
        if name.starts_with("valkey") {
            Server::start("Valkey", "valkey_version", &program, &[], &[])
        } else {
            Server::start("Redis", "redis_version", &program, &[], &[])
        }
    }

    /// The processor time that the server has taken so far, all its threads together.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(&self.child.id().to_string(), 11)
    }

    fn start(name: &str, version: &str, program: &Path, words: &[&str], directives: &[&str]) -> Outcome<Server> {
        Server::start_in(Server::folder()?, name, version, program, words, directives)
    }

    /// A new folder for a server's files.
    fn folder() -> Outcome<PathBuf> {
        let folder = target().join(format!("bench-{}-{}", std::process::id(), free_port()?));
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(folder)
    }

    fn start_in(
        folder: PathBuf,
        name: &str,
        version: &str,
        program: &Path,
        words: &[&str],
        directives: &[&str],
    ) -> Outcome<Server> {
        let port = free_port()?;
        let mut command: Vec<OsString> = vec![program.into()];
        command.extend(words.iter().map(OsString::from));
        command.extend(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"].map(OsString::from));
        command.push(folder.clone().into());
        command.extend(directives.iter().map(OsString::from));
        let child = spawn(&command, &folder)?;
        let mut server = Server { name: name.to_owned(), address: format!("127.0.0.1:{port}"), child, folder, command };
        let deadline = Instant::now() + START_MAX;
        while server.connect().is_err() {
            if Instant::now() > deadline {
                return Err(format!("{name} does not answer"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        server.name = format!("{name} {}", server.info(version)?);
        Ok(server)
    }

    /// Keeps all its threads on one core, where there is another for the load.
    pub fn pin(&self, core: usize) {
        if cores() > 1 {
            // Without `taskset` the system chooses: the figures are then less even.
            let pid = self.child.id().to_string();
            let _ = Command::new("taskset").args(["-a", "-c", "-p", &core.to_string(), &pid]).output();
        }
    }

    /// Sends its process a signal such as `STOP`.
    pub fn signal(&self, signal: &str) -> Outcome<()> {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status();
        match sent {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{}: kill -s {signal}: {status}", self.name)),
            Err(error) => Err(format!("{}: kill -s {signal}: {error}", self.name)),
        }
    }

    /// Ends it and starts it again on its files: how long until it answers `GET` with data.
    pub fn restart(&mut self) -> Outcome<Duration> {
        self.stop()?;
        let began = Instant::now();
        self.child = spawn(&self.command, &self.folder)?;
        while began.elapsed() < RESTART_MAX {
            let reply = self.connect().ok().and_then(|mut client| client.call(&[b"GET", b"key"]).ok());
            if reply.is_some() {
                return Ok(began.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(format!("{} does not come back", self.state()))
    }

    /// Ends it and leaves its files.
    pub fn stop(&mut self) -> Outcome<()> {
        // The connection ends instead of an answer.
        drop(self.connect()?.call(&[b"SHUTDOWN", b"NOSAVE"]));
        self.child.wait().map_err(|error| format!("{}: {error}", self.name))?;
        Ok(())
    }

    /// A file of its folder.
    pub fn read_file(&self, name: &str) -> Outcome<String> {
        let path = self.folder.join(name);
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        &self.folder
    }

    /// Where it listens on the loopback address.
    pub fn port(&self) -> &str {
        self.address.rsplit(':').next().unwrap_or_default()
    }

    /// A connection.
    pub fn connect(&self) -> Outcome<Client> {
        Client::connect(&self.address, Duration::from_secs(60)).map_err(|error| format!("{}: {error}", self.state()))
    }

    /// Its name and, for a failure, whether it still runs and what it logged last.
    fn state(&self) -> String {
        let pid = self.child.id();
        let state = read(&format!("/proc/{pid}/status"));
        let state = state.lines().find_map(|line| line.strip_prefix("State:")).unwrap_or("gone").trim().to_owned();
        let log = read(&self.folder.join("log").display().to_string());
        let last: Vec<_> = log.lines().rev().take(5).collect();
        format!("{} (process {pid}: {state}; last logged, newest first: {last:?})", self.name)
    }

    /// A field of INFO.
    pub fn info(&self, field: &str) -> Outcome<String> {
        let reply = self.connect()?.call(&[b"INFO"]).map_err(|error| format!("{}: {error}", self.name))?;
        let Value::Bulk(text) = reply else { return Err(format!("{}: INFO is no text", self.name)) };
        let text = String::from_utf8_lossy(&text).into_owned();
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.map(str::to_owned).ok_or(format!("{}: INFO has no {field}", self.name))
    }

    /// A field of INFO that is a number.
    pub fn number(&self, field: &str) -> Outcome<u64> {
        let value = self.info(field)?;
        value.trim().parse().map_err(|_| format!("{}: {field} is `{value}`", self.name))
    }

    /// From now on the most memory that is resident counts anew. Returns what is resident now, in bytes.
    pub fn reset_peak(&self) -> u64 {
        // Where the system does not allow it the peak is that since the start.
        let _ = std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5");
        self.memory().resident
    }

    /// The most that was resident since the last [`Server::reset_peak`], in bytes.
    pub fn peak(&self) -> u64 {
        let status = read(&format!("/proc/{}/status", self.child.id()));
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
    }

    /// The memory of the process itself and, of a process that it forked, the pages which the two no longer share.
    pub fn memory(&self) -> Memory {
        let pid = self.child.id();
        let resident =
            read(&format!("/proc/{pid}/statm")).split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
        let children = read(&format!("/proc/{pid}/task/{pid}/children"));
        let private = children.split_whitespace().map(|child| {
            let map = read(&format!("/proc/{child}/smaps_rollup"));
            let line = map.lines().find_map(|line| line.strip_prefix("Private_Dirty:"));
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
        });
        Memory { resident: resident.unwrap_or(0) * PAGE_BYTES, child_private: private.sum() }
    }
}

/// In bytes.
#[derive(Clone, Copy, Default)]
pub struct Memory {
    /// Resident in the server's process.
    pub resident: u64,
    /// Held by its forked child alone.
    pub child_private: u64,
}

fn free_port() -> Outcome<u16> {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    Ok(free.map_err(|error| format!("no free port: {error}"))?.port())
}

fn spawn(command: &[OsString], folder: &Path) -> Outcome<Child> {
    let log = std::fs::File::create(folder.join("log")).map_err(|error| error.to_string())?;
    let errors = log.try_clone().map_err(|error| error.to_string())?;
    let started = Command::new(&command[0]).args(&command[1..]).stdout(log).stderr(errors).spawn();
    started.map_err(|error| format!("{}: {error}", command[0].display()))
}

/// What the system says, nothing if it says nothing.
fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone is as good, and the folder is only for this run.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
