//! Our server as tasks need it: on a free port, gone when dropped. Measured servers are in `bench/servers.rs`.

use crate::{Outcome, workspace};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const READY_MAX: Duration = Duration::from_secs(10);

/// Our server on a free port, gone when dropped.
pub struct Server {
    /// Where it listens on the loopback address.
    pub port: u16,
    process: Child,
}

impl Server {
    /// Starts the program that was built beside us and waits until it listens; its files go into `folder`.
    pub fn start(folder: &Path) -> Outcome<Server> {
        let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
        let port = free.map_err(|error| format!("no free port: {error}"))?.port();
        let program = binary()?;
        let mut command = Command::new(&program);
        command.args(["server", "--port", &port.to_string(), "--save", "", "--repl-diskless-sync-delay", "0", "--dir"]);
        command.arg(folder).stdout(Stdio::null());
        let process = command.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
        let server = Server { port, process };
        let deadline = Instant::now() + READY_MAX;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() >= deadline {
                return Err("our server does not listen".to_owned());
            }
            std::thread::yield_now();
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // If it is gone already there is nothing to end.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The program that the build left beside us.
fn binary() -> Outcome<PathBuf> {
    if let Some(path) = std::env::var_os("LOCKSTEP_BIN") {
        return Ok(PathBuf::from(path));
    }
    let own = std::env::current_exe().map_err(|error| format!("our own path: {error}"))?;
    let path = own.with_file_name("lockstep");
    if path.exists() { Ok(path) } else { Err(format!("{} is not built: cargo build -p server", path.display())) }
}

/// Where build results are.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace::root().join("target"), PathBuf::from)
}
