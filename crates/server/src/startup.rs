//! From the command line to a running loop: settings, background, log, sockets, node, data set.

use std::cell::RefCell;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use config::{CommandLine, Config, Sources};
use node::{Host, LogLevel, Node, REDIS_VERSION, Setup};

use crate::files::path_of;
use crate::host::{Listeners, ServerHost};
use crate::jobs::{self, aof::AofFiles};
use crate::logger::Logger;
use crate::ring::Ring;
use crate::shell::Shell;
use crate::signals::Signals;
use crate::sockets::Listener;
use crate::supervisor::Supervisor;
use crate::surroundings::{System, working_directory};
use crate::syslog::{self, Syslog};
use crate::{RESERVED_FILES, clock, entropy, limits, log_level, reason, sockets, system};

/// What `--version` prints.
pub fn version_line() -> String {
    format!("Lockstep server v={} redis={REDIS_VERSION} bits=64", env!("CARGO_PKG_VERSION"))
}

/// Runs a server with the settings of these words: the exit code. An error is one that stands in no log.
pub fn run(words: &[Vec<u8>]) -> Result<i32, String> {
    let (sources, file) = read_sources(words)?;
    let (mut config, warnings) = Config::load(&sources, &mut System).map_err(|error| error.to_string())?;
    let missing_commands = node::check_renames(&config)?;
    let (supervisor, unsupervised) = Supervisor::find(&config);
    // A supervisor watches the process that it started.
    config.daemonize &= matches!(supervisor, Supervisor::None);
    // `dir` has been entered where it was read.
    config.dir = working_directory()?;
    let syslog = config
        .syslog_enabled
        .then(|| Syslog::new(syslog::SOCKET.into(), config.syslog_ident.clone(), config.syslog_facility));
    let logger = Logger::new(log_level(&config), log_file(&config)?, syslog);
    logger.check().map_err(|error| format!("Can't open the log file: {}", reason(&error)))?;
    if config.daemonize {
        system::daemonize().map_err(|error| format!("Can't go to the background: {}", reason(&error)))?;
    }
    logger.log(LogLevel::Warning, "Lockstep is starting");
    logger.log(LogLevel::Warning, &format!("{}, pid={}, just started", version_line(), std::process::id()));
    for warning in &warnings {
        logger.log(LogLevel::Warning, &warning.to_string());
    }
    for name in missing_commands {
        logger.log(LogLevel::Warning, &format!("rename-command: there is no command '{name}'"));
    }
    if let Some(why) = unsupervised {
        logger.log(LogLevel::Warning, why);
    }
    match start(config, &logger, supervisor, file) {
        Ok(running) => Ok(running),
        Err(reason) => {
            logger.log(LogLevel::Warning, &reason);
            Ok(1)
        }
    }
}

fn start(mut config: Config, logger: &Logger, supervisor: Supervisor, file: Option<PathBuf>) -> Result<i32, String> {
    // Taken over before the pid file and the sockets, so that nobody can signal a server that would just die.
    let signals = Signals::new().map_err(|error| format!("Can't handle signals: {}", reason(&error)))?;
    crate::memory::keep_large_pieces();
    if let Err(reason) = crate::memory::set_background_thread(config.jemalloc_bg_thread) {
        logger.log(LogLevel::Warning, &reason);
    }
    let possible = limits::clients_possible(config.maxclients, logger);
    if possible == 0 {
        let needed = RESERVED_FILES + 1;
        let now = system::open_files();
        return Err(format!(
            "Your current 'ulimit -n' of {now} is not enough for the server to start. Please increase your open file \
             limit to at least {needed}. Exiting."
        ));
    }
    config.maxclients = possible;
    limits::check_backlog(config.tcp_backlog, logger);
    let pidfile = write_pidfile(&config, logger);
    let listeners = sockets::listen(&config)?;
    if listeners.is_empty() {
        return Err("Configured to not listen anywhere, exiting.".to_owned());
    }
    let unixsocket = config.unixsocket.clone();
    let code = serve(config, logger.clone(), supervisor, signals, listeners, file)?;
    crate::files::abandon_unfinished();
    if let Some(path) = pidfile {
        logger.log(LogLevel::Notice, "Removing the pid file.");
        drop(std::fs::remove_file(path)); // Nobody is told twice that the server is gone.
    }
    if !unixsocket.is_empty() {
        logger.log(LogLevel::Notice, "Removing the unix socket file.");
        drop(std::fs::remove_file(path_of(&unixsocket)));
    }
    if code == 0 {
        logger.log(LogLevel::Warning, "Lockstep is now ready to exit, bye bye...");
    }
    Ok(code)
}

fn serve(
    config: Config,
    logger: Logger,
    supervisor: Supervisor,
    signals: Signals,
    all: Vec<Listener>,
    file: Option<PathBuf>,
) -> Result<i32, String> {
    let listeners = Rc::new(RefCell::new(Listeners { all, changed: false }));
    let aof = AofFiles::new(&config).map_err(|error| format!("{}: {error}", config.appenddirname))?;
    let aof = Arc::new(aof);
    if config.appendonly {
        aof.claim()?;
    }
    remove_abandoned(&aof, file.as_deref(), &logger);
    let (manifest, last_base, last_incr) = jobs::aof_load::survey(&aof);
    let found = if config.appendonly { jobs::aof_load::find(&aof)? } else { None };
    let ring = if config.io_uring { open_ring(&logger) } else { None };
    let multiplexing = if ring.is_some() { "io_uring" } else { "epoll" };
    let listening = Rc::clone(&listeners);
    let host = ServerHost::new(logger, supervisor, listening, multiplexing, config.clone(), file, Arc::clone(&aof));
    let data = path_of(&config.dbfilename).to_owned();
    host.log(LogLevel::Notice, &format!("Server initialized, port {}", config.port));
    let [first, second, _] = seeds();
    assert!(keyspace::set_hash_seed([first, second]), "no table is built before this");
    let mut node =
        Node::new(Setup { config, host: Box::new(host), seeds: seeds(), now: clock::now(), unix: clock::unix_ms() });
    node.note_old_files(manifest, last_base, last_incr);
    node.note_old_spares(jobs::aof_load::old_spares(&aof));
    let failed = |error: std::io::Error| format!("Can't set up the event loop: {}", reason(&error));
    let mut shell = Shell::new(node, signals, listeners, aof, ring).map_err(failed)?;
    shell.node().begin_turn(clock::now(), clock::unix_ms());
    match (found, std::fs::metadata(&data)) {
        (Some(found), _) => shell.start_loading_aof(found),
        // With `appendonly yes` too: the append-only file then begins with what is in this one.
        (None, Ok(found)) => shell.start_loading(data, found.len()),
        (None, Err(error)) if error.kind() == std::io::ErrorKind::NotFound => shell.node().start_empty(),
        (None, Err(error)) => return Err(format!("Can't read {}: {}", data.display(), reason(&error))),
    }
    shell.run().map_err(|error| format!("The event loop failed: {}", reason(&error)))
}

/// The way to sockets that costs least, where the system has it.
fn open_ring(logger: &Logger) -> Option<Ring> {
    match Ring::new() {
        Ok(ring) => Some(ring),
        Err(error) => {
            let why = reason(&error);
            logger.log(
                LogLevel::Notice,
                &format!("Sockets are served through epoll, since io_uring can't be used: {why}"),
            );
            None
        }
    }
}

/// Removes what killed servers left unfinished wherever files are replaced.
fn remove_abandoned(aof: &AofFiles, config_file: Option<&Path>, logger: &Logger) {
    let beside_config = config_file.and_then(Path::parent);
    for directory in [Some(Path::new(".")), Some(aof.directory()), beside_config].into_iter().flatten() {
        for path in crate::files::remove_abandoned(directory) {
            let line = format!("Removed {}, which a server that was killed left behind.", path.display());
            logger.log(LogLevel::Notice, &line);
        }
    }
}

/// The settings in the order in which they count: file, standard input, command line; and the file's path.
fn read_sources(words: &[Vec<u8>]) -> Result<(Sources, Option<PathBuf>), String> {
    let line = CommandLine::parse(words);
    let mut sources = Sources { arguments: line.arguments, ..Sources::default() };
    let mut file = None;
    if let Some(name) = &line.file {
        let path = std::path::absolute(path_of(name)).map_err(|error| format!("{}: {error}", name.escape_ascii()))?;
        let text = std::fs::read(&path)
            .map_err(|error| format!("Fatal error, can't open config file '{}': {}", path.display(), reason(&error)))?;
        sources.file = Some((path.display().to_string(), text));
        file = Some(path);
    }
    if line.stdin {
        let mut text = Vec::new();
        std::io::stdin().read_to_end(&mut text).map_err(|error| format!("standard input: {error}"))?;
        sources.stdin = Some(text);
    }
    Ok((sources, file))
}

/// Where the log goes: relative to `dir`, as with the peers, and there it stays when CONFIG SET changes `dir`.
fn log_file(config: &Config) -> Result<Option<PathBuf>, String> {
    if config.logfile.is_empty() {
        return Ok(None);
    }
    let path = std::path::absolute(path_of(&config.logfile));
    path.map(Some).map_err(|error| format!("Can't open the log file: {}", reason(&error)))
}

/// Writes the pid where the settings say so; a server in the background has a file by default.
fn write_pidfile(config: &Config, logger: &Logger) -> Option<PathBuf> {
    let path = match (config.pidfile.as_slice(), config.daemonize) {
        (b"", false) => return None,
        (b"", true) => path_of(b"/var/run/redis.pid"),
        (path, _) => path_of(path),
    };
    match std::fs::write(path, format!("{}\n", std::process::id())) {
        Ok(()) => Some(path.to_owned()),
        Err(error) => {
            let text = format!("Failed to write PID file {}: {}", path.display(), reason(&error));
            logger.log(LogLevel::Warning, &text);
            None
        }
    }
}

/// Unpredictable numbers for the node.
fn seeds() -> [u64; 3] {
    let bytes = [entropy(), entropy()].concat();
    std::array::from_fn(|i| u64::from_le_bytes(bytes[8 * i..8 * i + 8].try_into().expect("eight bytes")))
}
