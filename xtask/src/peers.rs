//! `cargo xtask peers`: the real Redis and Valkey servers that tests run against, as Debian packages unpacked into a
//! folder of ours. Nothing is installed, so root is not needed and no other program of the machine is touched; each
//! peer runs on the libraries of its own suite. Which packages: the tables here; how they come: `peers/apt.rs`.

mod apt;

use crate::{Outcome, workspace};
use apt::Archive;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Programs that are unpacked into one folder and share its libraries.
struct Family {
    /// The folder's name.
    folder: &'static str,
    suites: &'static [&'static str],
    packages: &'static [&'static str],
    peers: &'static [Peer],
}

/// A server with its tools.
struct Peer {
    /// What our wrapper scripts begin with.
    name: &'static str,
    /// What its programs begin with.
    program: &'static str,
    /// The version wanted: major and minor.
    version: (u32, u32),
}

const PACKAGES: &[&str] = &["redis-server", "redis-tools", "valkey-server", "valkey-tools"];

const FAMILIES: &[Family] = &[
    Family {
        folder: "bookworm",
        suites: &["bookworm", "bookworm-backports"],
        packages: PACKAGES,
        peers: &[
            Peer { name: "redis70", program: "redis", version: (7, 0) },
            Peer { name: "valkey80", program: "valkey", version: (8, 0) },
        ],
    },
    Family {
        folder: "sid",
        suites: &["sid"],
        packages: PACKAGES,
        peers: &[
            Peer { name: "redis80", program: "redis", version: (8, 0) },
            Peer { name: "valkey91", program: "valkey", version: (9, 1) },
        ],
    },
];

const TOOLS: &[&str] = &["server", "cli", "benchmark", "check-rdb"];

/// Fetches what does not work yet and names the versions found.
pub fn run() -> Outcome<()> {
    let folder = workspace::peers();
    std::fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let folder = folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
    for family in FAMILIES {
        if let Err(reason) = check_family(&folder, family) {
            println!("peers: {} is fetched ({})", family.folder, reason.lines().next().unwrap_or_default());
            fetch(&folder, family)?;
        }
        for line in check_family(&folder, family)? {
            println!("{line}");
        }
    }
    println!("peers: all in {}", folder.display());
    Ok(())
}

fn fetch(folder: &Path, family: &Family) -> Outcome<()> {
    let archive = Archive::open(&folder.join(format!("{}.apt", family.folder)), family.suites)?;
    // Unpacked beside and renamed, so that an interrupted run leaves nothing that looks whole.
    let partial = folder.join(format!("{}.partial", family.folder));
    remove(&partial)?;
    archive.unpack(family.packages, &partial)?;
    let target = folder.join(family.folder);
    remove(&target)?;
    std::fs::rename(&partial, &target).map_err(|error| format!("{}: {error}", target.display()))?;
    archive.close()?;
    let loader = Loader::find(&target)?;
    for peer in family.peers {
        for tool in TOOLS {
            write_wrapper(folder, &loader, peer, tool)?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> Outcome<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {error}", folder.display())),
        _ => Ok(()),
    }
}

/// The dynamic loader of an unpacked folder and where its libraries are, all relative to the peers' folder.
struct Loader {
    program: PathBuf,
    libraries: Vec<PathBuf>,
    binaries: PathBuf,
}

impl Loader {
    fn find(root: &Path) -> Outcome<Loader> {
        let parent = root.parent().expect("a folder within the peers' folder");
        let relative = |path: PathBuf| path.strip_prefix(parent).expect("found below").to_owned();
        let mut programs = Vec::new();
        let mut libraries = Vec::new();
        for folder in ["lib64", "usr/lib64", "lib", "usr/lib"].map(|name| root.join(name)) {
            programs.extend(children(&folder, |name| name.starts_with("ld-linux")));
            for triplet in children(&folder, |name| name.contains("-linux-gnu")) {
                programs.extend(children(&triplet, |name| name.starts_with("ld-linux")));
                libraries.push(relative(triplet));
            }
        }
        // A symbolic link that points outside of the folder does not count.
        let program = programs.into_iter().find(|path| path.canonicalize().is_ok_and(|real| real.starts_with(root)));
        let program = program.ok_or_else(|| format!("{} has no dynamic loader: libc6 is missing", root.display()))?;
        Ok(Loader { program: relative(program), libraries, binaries: relative(root.join("usr/bin")) })
    }
}

fn children(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .flatten()
        .filter(|entry| wanted(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

/// A script that starts a program through its own loader. It finds its folder itself, so that the folder of the peers
/// can be moved, and it is replaced by the program, so that the process started is the server.
fn write_wrapper(folder: &Path, loader: &Loader, peer: &Peer, tool: &str) -> Outcome<()> {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(format!("{}-{tool}", peer.name));
    let here = |path: &Path| format!("\"$here/{}\"", path.display());
    let libraries: Vec<_> = loader.libraries.iter().map(|path| here(path)).collect();
    let script = format!(
        "#!/bin/sh\nhere=${{0%/*}}\nexec {} --inhibit-cache --library-path {} {} \"$@\"\n",
        here(&loader.program),
        libraries.join(":"),
        here(&loader.binaries.join(format!("{}-{tool}", peer.program))),
    );
    std::fs::write(&path, script)
        .and_then(|()| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Runs every program of a family; a line for each peer, or what is wrong.
fn check_family(folder: &Path, family: &Family) -> Outcome<Vec<String>> {
    family.peers.iter().map(|peer| check_peer(folder, peer)).collect()
}

fn check_peer(folder: &Path, peer: &Peer) -> Outcome<String> {
    let mut line = String::new();
    for tool in TOOLS {
        let path = folder.join(format!("{}-{tool}", peer.name));
        // Not every check-rdb knows --version: without a file it tells how it is used.
        let (arguments, wanted): (&[&str], &str) = match *tool {
            "check-rdb" => (&[], "Usage"),
            _ => (&["--version"], peer.program),
        };
        let output = Command::new(&path).args(arguments).output();
        let output = output.map_err(|error| format!("{} cannot be started: {error}", path.display()))?;
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned();
        if !text.to_lowercase().contains(&wanted.to_lowercase()) || text.contains("error while loading") {
            return Err(format!("{} does not run: {text}", path.display()));
        }
        if *tool == "server" {
            line = judge_version(peer, &text)?;
        }
    }
    Ok(line)
}

/// Accepts the version wanted and, aloud, a newer one: suites move on, and a newer peer is a peer still.
fn judge_version(peer: &Peer, text: &str) -> Outcome<String> {
    let version = text.split_whitespace().find_map(|word| word.strip_prefix("v="));
    let numbers = version.and_then(|version| {
        let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
        Some((parts.next()??, parts.next()??))
    });
    let (Some(version), Some(found)) = (version, numbers) else {
        return Err(format!("{}: no version in `{text}`", peer.name));
    };
    let (major, minor) = peer.version;
    match found.cmp(&peer.version) {
        std::cmp::Ordering::Equal => Ok(format!("peers: {} is {} {version}", peer.name, peer.program)),
        std::cmp::Ordering::Greater => Ok(format!(
            "peers: NOTE: {} is {} {version}: the suite has moved on from {major}.{minor}",
            peer.name, peer.program
        )),
        std::cmp::Ordering::Less => Err(format!("{} is {version}, older than {major}.{minor}", peer.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Peer = Peer { name: "redis70", program: "redis", version: (7, 0) };

    #[test]
    fn the_version_wanted_is_named() {
        let line = judge_version(&PEER, "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64");
        assert_eq!(line, Ok("peers: redis70 is redis 7.0.15".to_owned()));
    }

    #[test]
    fn a_newer_version_is_taken_and_said() {
        let line = judge_version(&PEER, "Redis server v=7.2.1 sha=0").expect("newer is taken");
        assert!(line.contains("NOTE") && line.contains("7.2.1"), "{line}");
    }

    #[test]
    fn an_older_version_and_no_version_are_failures() {
        assert!(judge_version(&PEER, "Redis server v=6.2.1 sha=0").is_err());
        assert!(judge_version(&PEER, "Segmentation fault").is_err());
    }
}
