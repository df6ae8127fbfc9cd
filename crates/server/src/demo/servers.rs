//! The demo's servers: real processes, each with a folder of its own, gone when the demo ends.

use std::collections::{BTreeMap, HashMap};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use client::Client;
use resp::Value;

const TIMEOUT: Duration = Duration::from_secs(5);

/// One server process.
pub struct Server {
    /// What it is shown as.
    pub name: &'static str,
    /// Its port.
    pub port: u16,
    process: Child,
}

/// What the table shows of a server.
#[derive(Default)]
pub struct Facts {
    /// `master` or `replica`.
    pub role: &'static str,
    /// `up`, `down`, or `-` for a master.
    pub link: String,
    /// The offset it is at.
    pub offset: String,
    /// How many keys it has.
    pub keys: String,
    /// How its last synchronisation went, `-` for a master.
    pub last_sync: String,
}

/// Where the demo's files are.
pub fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("lockstep-demo-{}", std::process::id()))
}

impl Server {
    /// Starts a server on a free port, as a replica of the one on `master` if that is given.
    pub fn start(name: &'static str, master: Option<u16>) -> Result<Server, String> {
        let port = free_port().map_err(|error| format!("no free port: {error}"))?;
        let folder = folder().join(name);
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.arg("server").args(["--port", &port.to_string(), "--save", "", "--bind", "127.0.0.1"]);
        command.args(["--repl-diskless-sync-delay", "0", "--logfile", "log"]);
        command.arg("--dir").arg(&folder);
        if let Some(master) = master {
            command.args(["--replicaof", "127.0.0.1", &master.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        // A group of its own, so that Ctrl-C reaches the demo alone and it can end the servers in order.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let process = command.spawn().map_err(|error| format!("can't start a server: {error}"))?;
        let server = Server { name, port, process };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&self) -> Result<(), String> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            match self.connect() {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() >= deadline => {
                    return Err(format!("{} does not answer: {error}", self.name));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// A connection to it.
    pub fn connect(&self) -> Result<Client, String> {
        Client::connect(&format!("127.0.0.1:{}", self.port), TIMEOUT).map_err(|error| error.to_string())
    }

    /// What it says of itself; empty if it does not answer.
    pub fn facts(&self) -> Facts {
        self.read_facts().unwrap_or_default()
    }

    fn read_facts(&self) -> Option<Facts> {
        let mut client = self.connect().ok()?;
        let info = client.call(&[b"INFO", b"replication"]).ok()?;
        let text = String::from_utf8_lossy(info.as_bytes()?).into_owned();
        let fields: HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once(':')).collect();
        let field = |name: &str| fields.get(name).map_or("-", |value| value.trim()).to_owned();
        let keys = client.call(&[b"DBSIZE"]).ok()?.as_int()?.to_string();
        let role = if field("role") == "master" { "master" } else { "replica" };
        Some(Facts {
            role,
            link: field("master_link_status"),
            offset: field("master_repl_offset"),
            keys,
            last_sync: field("lockstep_last_sync"),
        })
    }

    /// Every key with its value as DUMP gives it.
    fn contents(&self) -> Result<BTreeMap<Vec<u8>, Value>, String> {
        let mut client = self.connect()?;
        let failed = |error: client::Error| error.to_string();
        let names = client.call(&[b"KEYS", b"*"]).map_err(failed)?;
        let mut contents = BTreeMap::new();
        for name in names.as_slice().unwrap_or_default() {
            let name = name.as_bytes().unwrap_or_default().to_vec();
            let value = client.call(&[b"DUMP", &name]).map_err(failed)?;
            contents.insert(name, value);
        }
        Ok(contents)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(mut client) = self.connect() {
            drop(client.call(&[b"SHUTDOWN", b"NOSAVE"])); // It answers by closing the connection.
        } else {
            drop(self.process.kill());
        }
        drop(self.process.wait());
        drop(std::fs::remove_dir_all(folder().join(self.name)));
        drop(std::fs::remove_dir(folder())); // Fails until the last server is gone, which is meant.
    }
}

/// Compares what the servers hold: how many keys, or the first difference.
pub fn compare(servers: &[Server; 3]) -> Result<usize, String> {
    let first = servers[0].contents()?;
    for other in &servers[1..] {
        let contents = other.contents()?;
        let different = first.iter().find(|(key, value)| contents.get(*key) != Some(value));
        if let Some((key, _)) = different {
            return Err(format!("key {:?} differs on the {}", String::from_utf8_lossy(key), other.name));
        }
        if contents.len() != first.len() {
            return Err(format!("the {} has {} keys instead of {}", other.name, contents.len(), first.len()));
        }
    }
    Ok(first.len())
}

/// A port that nobody uses at this moment.
pub fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
