//! `cargo xtask clients`: real client libraries and the peers' own redis-cli against our binary. The libraries are
//! fetched as packages into `target/clients`; python3 with pip and node with npm must be there.

use crate::{Outcome, workspace};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The versions of redis-py whose defaults differ: RESP2, and RESP3.
const REDIS_PY: [(&str, &str); 2] = [("py5", "redis>=5,<6"), ("py8", "redis>=8,<9")];
const READY_MAX: Duration = Duration::from_secs(10);

/// Runs everything against a server of its own.
pub fn run() -> Outcome<()> {
    let folder = workspace::root().join("target/clients");
    let scripts = workspace::root().join("tests/clients");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let server = Server::start(&folder)?;
    let port = server.port.to_string();
    for (name, requirement) in REDIS_PY {
        let packages = folder.join(name);
        if !packages.join("redis").exists() {
            let target = packages.display().to_string();
            finish(Command::new("python3").args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--target",
                &target,
                requirement,
            ]))?;
        }
        finish(Command::new("python3").arg(scripts.join("redis_py.py")).arg(&port).env("PYTHONPATH", &packages))?;
    }
    // Node looks for packages beside the script, so both are copied to where they may be installed.
    for file in ["package.json", "node_clients.mjs"] {
        std::fs::copy(scripts.join(file), folder.join(file)).map_err(|error| format!("{file}: {error}"))?;
    }
    if !folder.join("node_modules/ioredis").exists() {
        finish(Command::new("npm").args(["install", "--silent", "--no-audit", "--no-fund"]).current_dir(&folder))?;
    }
    finish(Command::new("node").arg("node_clients.mjs").arg(&port).current_dir(&folder))?;
    redis_cli(&port, &folder)
}

/// The modes of redis-cli that talk to a server in ways of their own.
fn redis_cli(port: &str, folder: &Path) -> Outcome<()> {
    let cli = workspace::peers().join("redis70-cli");
    let call = |arguments: &[&str], input: &str| output(Command::new(&cli).args(["-p", port]).args(arguments), input);
    call(&["flushall"], "")?;
    let requests: String = (0..1000).map(|i| format!("SET piped:{i} {i}\r\n")).collect();
    expect("--pipe", &call(&["--pipe"], &requests)?, "errors: 0, replies: 1000")?;
    let names = call(&["--scan", "--pattern", "piped:*"], "")?;
    if names.lines().count() != 1000 {
        return Err(format!("redis-cli --scan found {} of 1000 keys", names.lines().count()));
    }
    expect("--bigkeys", &call(&["--bigkeys"], "")?, "Sampled 1000 keys in the keyspace")?;
    let file = folder.join("copy.rdb");
    call(&["--rdb", &file.display().to_string()], "")?;
    let check = workspace::peers().join("redis70-check-rdb");
    expect("--rdb", &output(Command::new(check).arg(&file), "")?, "1000 keys read")?;
    // So often that its buffer is written before it is ended.
    expect("--stat", &call_for(&cli, port, &["--stat", "-i", "0.01"])?, "1000")?;
    expect("--replica", &call_for(&cli, port, &["--replica"])?, "sending REPLCONF capa eof")?;
    expect("help", &call(&["command", "docs", "set"], "")?, "summary")
}

/// Runs a mode that never ends by itself for two seconds.
fn call_for(cli: &Path, port: &str, arguments: &[&str]) -> Outcome<String> {
    let mut command = Command::new("timeout");
    command.arg("2").arg(cli).args(["-p", port]).args(arguments);
    let result = command.stdin(Stdio::null()).output().map_err(|error| format!("timeout: {error}"))?;
    Ok(String::from_utf8_lossy(&[result.stdout, result.stderr].concat()).into_owned())
}

fn expect(what: &str, text: &str, part: &str) -> Outcome<()> {
    if text.contains(part) { Ok(()) } else { Err(format!("redis-cli {what}: no {part:?} in:\n{text}")) }
}

fn finish(command: &mut Command) -> Outcome<()> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}")) }
}

fn output(command: &mut Command, input: &str) -> Outcome<String> {
    let failed = |error: std::io::Error| format!("redis-cli: {error}");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).map_err(failed)?;
    let result = child.wait_with_output().map_err(failed)?;
    let text = String::from_utf8_lossy(&[result.stdout, result.stderr].concat()).into_owned();
    if result.status.success() { Ok(text) } else { Err(format!("{command:?} ended with {}:\n{text}", result.status)) }
}

/// Our server on a free port, gone when dropped.
struct Server {
    port: u16,
    process: Child,
}

impl Server {
    fn start(folder: &Path) -> Outcome<Server> {
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
