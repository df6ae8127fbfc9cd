//! The system's log: a datagram a line to its socket, framed as syslog(3) frames it (RFC 3164):
//! `<priority>Mmm dd hh:mm:ss ident[pid]: text`.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use config::SyslogFacility;
use node::LogLevel;

/// Where the system's log listens.
pub const SOCKET: &str = "/dev/log";

/// The way to the system's log.
pub struct Syslog {
    socket: PathBuf,
    ident: Vec<u8>,
    facility: SyslogFacility,
    connection: RefCell<Option<UnixDatagram>>,
}

impl Syslog {
    /// One that is connected when there is something to say. `socket` is [`SOCKET`], except in tests.
    pub fn new(socket: PathBuf, ident: Vec<u8>, facility: SyslogFacility) -> Syslog {
        Syslog { socket, ident, facility, connection: RefCell::new(None) }
    }

    /// Sends a line. The server never waits for its log: what can't be sent at once is lost.
    pub fn log(&self, level: LogLevel, text: &str) {
        let mut line = format!("<{}>{} ", self.priority(level), crate::clock::syslog_time()).into_bytes();
        line.extend_from_slice(&self.ident);
        line.extend_from_slice(format!("[{}]: {text}", std::process::id()).as_bytes());
        let mut connection = self.connection.borrow_mut();
        // A daemon that was started anew has another socket under the same name: one more attempt finds it.
        for _ in 0..2 {
            if connection.is_none() {
                *connection = self.connect();
            }
            let Some(open) = &*connection else { return };
            match open.send(&line) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => *connection = None,
                Ok(_) => return,
            }
        }
    }

    fn connect(&self) -> Option<UnixDatagram> {
        let connection = UnixDatagram::unbound().ok()?;
        connection.set_nonblocking(true).ok()?;
        connection.connect(&self.socket).ok()?;
        Some(connection)
    }

    /// Facility and severity as one number: RFC 3164, section 4.1.1.
    fn priority(&self, level: LogLevel) -> u32 {
        let facility = match self.facility {
            SyslogFacility::User => 1,
            SyslogFacility::Local0 => 16,
            SyslogFacility::Local1 => 17,
            SyslogFacility::Local2 => 18,
            SyslogFacility::Local3 => 19,
            SyslogFacility::Local4 => 20,
            SyslogFacility::Local5 => 21,
            SyslogFacility::Local6 => 22,
            SyslogFacility::Local7 => 23,
        };
        let severity = match level {
            LogLevel::Warning => 4,
            LogLevel::Notice => 5,
            LogLevel::Verbose => 6,
            LogLevel::Debug => 7,
        };
        facility * 8 + severity
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::logger::Logger;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("lockstep-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn listen(path: &PathBuf) -> UnixDatagram {
        drop(std::fs::remove_file(path)); // The one before left its name.
        let daemon = UnixDatagram::bind(path).unwrap();
        daemon.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        daemon
    }

    fn next(daemon: &UnixDatagram) -> String {
        let mut buffer = [0; 1024];
        let count = daemon.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    }

    // The form is what Valkey 8.0 sent with `syslog-ident 'my id'` and `syslog-facility local3`:
    // `<157>Nov 21 10:54:22 my id[25424]: Server initialized`, 156 for a warning.
    #[test]
    fn lines_go_to_the_log_file_and_to_the_system_log_in_the_form_of_the_peers() {
        let folder = folder("syslog");
        let (socket, file) = (folder.join("log"), folder.join("file"));
        let daemon = listen(&socket);
        let syslog = Syslog::new(socket, b"my id".to_vec(), SyslogFacility::Local3);
        let logger = Logger::new(LogLevel::Notice, Some(file.clone()), Some(syslog));
        logger.log(LogLevel::Verbose, "below the level");
        logger.log(LogLevel::Notice, "Server initialized");
        logger.log(LogLevel::Warning, "a warning");
        let (notice, warning) = (next(&daemon), next(&daemon));
        assert!(warning.starts_with("<156>"), "{warning}");
        let (time, rest) = notice.strip_prefix("<157>").expect("its priority").split_at("Nov 21 10:54:22 ".len());
        assert_eq!(rest, format!("my id[{}]: Server initialized", std::process::id()));
        let bytes = time.as_bytes();
        assert!(bytes[3] == b' ' && bytes[6] == b' ' && bytes[9] == b':' && bytes[12] == b':', "{time}");
        let written = std::fs::read_to_string(&file).unwrap();
        assert!(written.contains(" * Server initialized\n") && written.contains(" # a warning\n"), "{written}");
        assert!(!written.contains("below the level"));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_system_log_that_is_away_or_full_stops_nobody_and_is_found_again() {
        let folder = folder("syslog-away");
        let socket = folder.join("log");
        let syslog = Syslog::new(socket.clone(), b"redis".to_vec(), SyslogFacility::User);
        syslog.log(LogLevel::Notice, "nobody listens");
        let first = listen(&socket);
        syslog.log(LogLevel::Notice, "one");
        assert!(next(&first).ends_with(": one"));
        drop(first);
        syslog.log(LogLevel::Notice, "lost");
        let second = listen(&socket);
        syslog.log(LogLevel::Notice, "two");
        assert!(next(&second).ends_with(": two"));
        // Far more than its queue takes: this test would wait for ever.
        for _ in 0..10_000 {
            syslog.log(LogLevel::Notice, "flood");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
