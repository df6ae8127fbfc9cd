//! `cargo xtask clients`: real client libraries and the peers' own redis-cli against our binary. The libraries are
//! fetched as packages into `target/clients`; python3 with pip and node with npm must be there.

use crate::server::Server;
use crate::{Outcome, workspace};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// The versions of redis-py whose defaults differ: RESP2, and RESP3.
const REDIS_PY: [(&str, &str); 2] = [("py5", "redis>=5,<6"), ("py8", "redis>=8,<9")];

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
