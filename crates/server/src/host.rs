//! What the node asks of the program at once: clocks, figures, the configuration file, and settings that only the
//! program can put into effect.

use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::{Time, UnixMs};
use config::Config;
use keyspace::Keyspace;
use node::{CpuFigures, Host, LogLevel, MemoryFigures, ProcessFacts, SaveJob};

use crate::files::path_of;
use crate::jobs::aof::AofFiles;
use crate::logger::Logger;
use crate::memory::Allocated;
use crate::sockets::{self, Listener};
use crate::supervisor::Supervisor;
use crate::surroundings::working_directory;
use crate::{clock, files, jobs, limits, reason, system};

/// The sockets that are listened on; the loop polls them, CONFIG SET replaces them.
pub type SharedListeners = Rc<RefCell<Listeners>>;

/// The sockets that are listened on.
#[derive(Default)]
pub struct Listeners {
    /// All of them.
    pub all: Vec<Listener>,
    /// They were replaced, and are not polled yet.
    pub changed: bool,
}

/// The program around the node.
pub struct ServerHost {
    logger: Logger,
    listeners: SharedListeners,
    supervisor: Supervisor,
    multiplexing: &'static str,
    config_file: Option<PathBuf>,
    executable: String,
    /// A copy of the settings that files need: the directory and the names in it.
    config: RefCell<Config>,
    aof: Arc<AofFiles>,
    allocated: Allocated,
}

impl ServerHost {
    /// A host for a server that was started with this configuration.
    pub fn new(
        logger: Logger,
        supervisor: Supervisor,
        listeners: SharedListeners,
        multiplexing: &'static str,
        config: Config,
        config_file: Option<PathBuf>,
        aof: Arc<AofFiles>,
    ) -> ServerHost {
        let executable = std::env::current_exe().map_or(String::new(), |path| path.display().to_string());
        let (config, allocated) = (RefCell::new(config), Allocated::new());
        ServerHost { logger, supervisor, listeners, multiplexing, config_file, executable, config, aof, allocated }
    }

    /// The append-only file stays in the folder of the start: another folder would make a later start miss it.
    fn change_directory(&self, wanted: &Path) -> Result<(), String> {
        let shown = |error: std::io::Error| reason(&error);
        let before = std::env::current_dir().map_err(shown)?;
        if self.config.borrow().appendonly && wanted.canonicalize().map_err(shown)? != before {
            return Err(format!(
                "The append-only file is in use below {}. Set appendonly to no before dir is changed.",
                before.display()
            ));
        }
        std::env::set_current_dir(wanted).map_err(shown)
    }
}

/// What is listened on, as INFO shows it: a line for TCP, a line for the Unix socket.
fn listener_lines(config: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    if config.port != 0 {
        let addresses: String = config.bind.iter().map(|address| format!(",bind={address}")).collect();
        lines.push(format!("name=tcp{addresses},port={}", config.port));
    }
    if !config.unixsocket.is_empty() {
        lines.push(format!("name=unix,bind={}", path_of(&config.unixsocket).display()));
    }
    lines
}

impl Host for ServerHost {
    fn now(&self) -> Time {
        clock::now()
    }

    fn unix_micros(&self) -> i64 {
        clock::unix_micros()
    }

    fn log(&self, level: LogLevel, text: &str) {
        self.logger.log(level, text);
    }

    fn role_changed(&self, is_replica: bool) {
        self.logger.set_replica(is_replica);
    }

    fn notify_supervisor(&self, lines: &str) {
        self.supervisor.notify(lines);
    }

    fn memory(&self) -> MemoryFigures {
        self.allocated.figures()
    }

    fn memory_used(&self, _keyspace: &Keyspace) -> u64 {
        self.allocated.now()
    }

    fn allocator_report(&self) -> String {
        crate::memory::report()
    }

    fn purge_memory(&self) -> Result<(), String> {
        crate::memory::purge()
    }

    fn cpu(&self) -> CpuFigures {
        system::cpu()
    }

    fn process(&self) -> ProcessFacts {
        ProcessFacts {
            pid: std::process::id(),
            executable: self.executable.clone(),
            config_file: self.config_file.as_ref().map_or(String::new(), |path| path.display().to_string()),
            os: system::os_name(),
            tcp_port: self.config.borrow().port,
            multiplexing: self.multiplexing,
            supervised: self.supervisor.name().to_owned(),
            listeners: listener_lines(&self.config.borrow()),
        }
    }

    fn entropy(&self) -> [u8; 20] {
        crate::entropy()
    }

    fn read_config_file(&self) -> Result<Option<Vec<u8>>, String> {
        let path = self.config_file.as_ref().ok_or("The server is running without a config file")?;
        match std::fs::read(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(reason(&error)),
        }
    }

    fn write_config_file(&self, text: &[u8]) -> Result<(), String> {
        let path = self.config_file.as_ref().ok_or("The server is running without a config file")?;
        files::replace(path, text).map_err(|error| reason(&error))
    }

    fn working_directory(&self) -> Option<Vec<u8>> {
        working_directory().ok()
    }

    fn apply_setting(&mut self, config: &Config, name: &'static str) -> Result<(), String> {
        match name {
            "port" | "bind" | "tcp-backlog" => {
                let kept = |listener: &Listener| matches!(listener, Listener::Unix(_));
                // The old sockets must be closed first where an address stays and only others come or go.
                let mut listeners = self.listeners.borrow_mut();
                let before = std::mem::take(&mut listeners.all);
                let (unix, tcp): (Vec<Listener>, Vec<Listener>) = before.into_iter().partition(kept);
                drop(tcp);
                listeners.changed = true;
                listeners.all = unix;
                let opened = if config.port == 0 { Ok(Vec::new()) } else { sockets::listen_tcp(config) };
                match opened {
                    Ok(opened) => listeners.all.extend(opened),
                    Err(reason) => {
                        // Back to what worked a moment ago.
                        let before = self.config.borrow();
                        if before.port != 0 {
                            listeners.all.extend(sockets::listen_tcp(&before)?);
                        }
                        return Err(reason);
                    }
                }
            }
            "loglevel" => self.logger.set_level(crate::log_level(config)),
            "jemalloc-bg-thread" => crate::memory::set_background_thread(config.jemalloc_bg_thread)?,
            "dir" => self.change_directory(path_of(&config.dir))?,
            "appendonly" if config.appendonly => {
                self.aof.check_directory(&config.appenddirname)?;
                let reason = |error| format!("{}: {}", self.aof.directory().display(), reason(&error));
                self.aof.claim()?;
                self.aof.probe().map_err(reason)?;
            }
            "maxclients" => {
                let possible = limits::clients_possible(config.maxclients, &self.logger);
                if possible < config.maxclients {
                    return Err(format!(
                        "The operating system is not able to handle the specified number of clients, try with {possible}"
                    ));
                }
            }
            _ => {}
        }
        self.config.replace(config.clone());
        Ok(())
    }

    fn save_now(&mut self, job: SaveJob) -> Result<u64, String> {
        jobs::save(job, &self.config.borrow())
    }

    fn load_now(&mut self, empty: Keyspace, now: UnixMs) -> Result<Keyspace, String> {
        jobs::load_now(empty, &self.config.borrow(), now)
    }

    fn append_journal(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.aof.append(slices)
    }

    fn retract_journal(&mut self, bytes: u64) -> Result<(), String> {
        self.aof.retract(bytes).map_err(|error| reason(&error))
    }

    fn switch_journal(&mut self, header: &[u8]) -> Result<(), String> {
        self.aof.switch(header)
    }

    fn await_journal_write(&mut self) -> (u64, Result<(), String>) {
        self.aof.await_write()
    }

    fn sync_journal(&mut self) -> Result<(), String> {
        self.aof.sync()
    }

    fn note_unknown_command(&mut self, offset: u64) -> Result<(), String> {
        self.aof.note_unknown(offset).map_err(|error| reason(&error))
    }

    fn sleep(&self, span: Duration) {
        std::thread::sleep(span);
    }
}
