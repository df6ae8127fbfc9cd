//! The log: one line an event, in the layout that operators and tools know:
//! `pid:role dd Mon yyyy hh:mm:ss.mmm level text`.

use std::cell::Cell;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::rc::Rc;

use node::LogLevel;

use crate::syslog::Syslog;

/// Where log lines go, and which. Copies share their level and role.
#[derive(Clone)]
pub struct Logger {
    /// Lines below this level are dropped.
    level: Rc<Cell<LogLevel>>,
    /// The file; None: standard output.
    file: Option<PathBuf>,
    /// Where lines go as well.
    syslog: Option<Rc<Syslog>>,
    /// `M` master, `S` replica, `C` a child, `X` a sentinel.
    role: Rc<Cell<char>>,
}

impl Logger {
    /// A log at this level into this file, or to standard output, and to the system's log if that is given.
    pub fn new(level: LogLevel, file: Option<PathBuf>, syslog: Option<Syslog>) -> Logger {
        Logger { level: Rc::new(Cell::new(level)), file, syslog: syslog.map(Rc::new), role: Rc::new(Cell::new('M')) }
    }

    /// Whether the file can be written to.
    pub fn check(&self) -> io::Result<()> {
        match &self.file {
            Some(path) => OpenOptions::new().create(true).append(true).open(path).map(drop),
            None => Ok(()),
        }
    }

    /// Changes which lines are dropped.
    pub fn set_level(&self, level: LogLevel) {
        self.level.set(level);
    }

    /// Says in the lines that follow whether this is a master or a replica.
    pub fn set_replica(&self, replica: bool) {
        self.role.set(if replica { 'S' } else { 'M' });
    }

    /// Writes a line. A log that can't be written is no reason to stop: the line is lost.
    pub fn log(&self, level: LogLevel, text: &str) {
        if level < self.level.get() {
            return;
        }
        let mark = match level {
            LogLevel::Debug => '.',
            LogLevel::Verbose => '-',
            LogLevel::Notice => '*',
            LogLevel::Warning => '#',
        };
        let line = format!("{}:{} {} {mark} {text}\n", std::process::id(), self.role.get(), crate::clock::log_time());
        // Opened for each line, so that a rotated file is left behind, as with the peers.
        let written = match &self.file {
            Some(path) => {
                let file = OpenOptions::new().create(true).append(true).open(path);
                file.and_then(|mut file| file.write_all(line.as_bytes()))
            }
            None => std::io::stdout().write_all(line.as_bytes()),
        };
        drop(written);
        if let Some(syslog) = &self.syslog {
            syslog.log(level, text);
        }
    }
}
