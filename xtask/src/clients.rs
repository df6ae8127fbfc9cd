//! `cargo xtask clients`: real client libraries, job queues that applications use, and the peers' own redis-cli against
//! our binary. The libraries are fetched as packages into `target/clients`; python3 with pip and node with npm must be
//! there.

use crate::server::Server;
use crate::{Outcome, workspace};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A script under Python: where its packages go, which they are, and its name.
struct Python {
    folder: &'static str,
    packages: &'static [&'static str],
    script: &'static str,
}

const PYTHON: &[Python] = &[
    // The versions of redis-py whose defaults differ: RESP2, and RESP3.
    Python { folder: "py5", packages: &["redis>=5,<6"], script: "redis_py.py" },
    Python { folder: "py8", packages: &["redis>=8,<9"], script: "redis_py.py" },
    // The last version whose scheduler needs no scripts, and a later one.
    Python { folder: "rq23", packages: &["rq>=2.3,<2.4", "redis>=5,<6"], script: "rq_jobs.py" },
    Python { folder: "rq2", packages: &["rq>=2.12,<3", "redis>=8,<9"], script: "rq_jobs.py" },
    // The last versions that need scripts only to release a lock.
    Python {
        folder: "celery55",
        packages: &["celery>=5.5,<5.6", "kombu>=5.5,<5.6", "redis>=5,<6"],
        script: "celery_jobs.py",
    },
];

/// Scripts under Node, whose packages are in tests/clients/package.json.
const NODE: &[&str] = &["node_clients.mjs", "bullmq_queue.mjs"];

/// Runs everything against a server of its own.
pub fn run() -> Outcome<()> {
    let folder = workspace::root().join("target/clients");
    let scripts = workspace::root().join("tests/clients");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let server = Server::start(&folder)?;
    let port = server.port.to_string();
    for python in PYTHON {
        let packages = folder.join(python.folder);
        if !packages.join("redis").exists() {
            let mut install = Command::new("python3");
            install.args(["-m", "pip", "install", "--quiet", "--target"]).arg(&packages).args(python.packages);
            finish(&mut install)?;
        }
        finish(Command::new("python3").arg(scripts.join(python.script)).arg(&port).env("PYTHONPATH", &packages))?;
    }
    // Node looks for packages beside the script, so all are copied to where they may be installed.
    for file in NODE.iter().chain(&["package.json"]) {
        std::fs::copy(scripts.join(file), folder.join(file)).map_err(|error| format!("{file}: {error}"))?;
    }
    if !folder.join("node_modules/bullmq").exists() {
        finish(Command::new("npm").args(["install", "--silent", "--no-audit", "--no-fund"]).current_dir(&folder))?;
    }
    for script in NODE {
        finish(Command::new("node").arg(script).arg(&port).current_dir(&folder))?;
    }
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
