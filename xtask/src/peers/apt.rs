//! A private view of the Debian archive: apt with its state, cache and sources in a folder of ours. The machine's own
//! apt tells the site (no host name stands in this repository), and its keyring checks the signatures.

use crate::Outcome;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where Debian machines keep the archive's keys; elsewhere apt uses the keys it trusts by itself.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Suites of the archive, opened in a folder.
pub struct Archive {
    folder: PathBuf,
    suites: &'static [&'static str],
}

impl Archive {
    /// Reads the lists of the suites from the first of the machine's sites that has them.
    pub fn open(folder: &Path, suites: &'static [&'static str]) -> Outcome<Archive> {
        super::remove(folder)?;
        for name in ["lists/partial", "cache/archives/partial", "packages"] {
            std::fs::create_dir_all(folder.join(name)).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let archive = Archive { folder: folder.to_owned(), suites };
        let mut reasons = String::new();
        for site in sites()? {
            match archive.read_lists(&site) {
                Ok(()) => return Ok(archive),
                Err(reason) => reasons.push_str(&format!("\n{site}: {reason}")),
            }
        }
        Err(format!("no site of this machine's apt sources serves Debian {}:{reasons}", suites.join(" and ")))
    }

    fn read_lists(&self, site: &str) -> Outcome<()> {
        let options = if Path::new(KEYRING).exists() { format!("[signed-by={KEYRING}] ") } else { String::new() };
        let lines: String = self.suites.iter().map(|suite| format!("deb {options}{site} {suite} main\n")).collect();
        std::fs::write(self.folder.join("sources.list"), lines).map_err(|error| format!("the sources: {error}"))?;
        // Without the option an unreachable site is a warning, and old lists would be used.
        run(self.apt("apt-get").args(["update", "-q", "-o", "APT::Update::Error-Mode=any"])).map(drop)
    }

    /// apt or apt-cache with everything of its own; proxies and the like stay as the machine has them.
    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let file = |name: &str| self.folder.join(name).display().to_string();
        for option in [
            format!("Dir::Etc::SourceList={}", file("sources.list")),
            "Dir::Etc::SourceParts=/dev/null".to_owned(),
            "Dir::Etc::Preferences=/dev/null".to_owned(),
            "Dir::Etc::PreferencesParts=/dev/null".to_owned(),
            "Dir::State::Status=/dev/null".to_owned(),
            format!("Dir::State::Lists={}", file("lists")),
            format!("Dir::Cache={}", file("cache")),
            // Containers often turn this file off, and every call would then read all lists again.
            "Dir::Cache::pkgcache=pkgcache.bin".to_owned(),
            // With the archive's own user root could not write into our folder; nobody else changes users at all.
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Retries=3".to_owned(),
            "Acquire::Languages=none".to_owned(),
        ] {
            command.arg("-o").arg(option);
        }
        command.current_dir(self.folder.join("packages")).env("LC_ALL", "C");
        command
    }

    /// Downloads packages with the libraries they need and unpacks all of it into `target`.
    pub fn unpack(&self, packages: &[&str], target: &Path) -> Outcome<()> {
        let wanted = self.with_libraries(packages)?;
        println!("peers: {} packages from {}", wanted.len(), self.suites.join(" and "));
        run(self.apt("apt-get").args(["download", "-q"]).args(&wanted))?;
        std::fs::create_dir_all(target).map_err(|error| format!("{}: {error}", target.display()))?;
        let files = crate::workspace::files(&self.folder.join("packages"), "deb")?;
        if files.len() < wanted.len() {
            return Err(format!("of {} packages only {} came", wanted.len(), files.len()));
        }
        for file in files {
            run(Command::new("dpkg-deb").arg("--extract").arg(&file).arg(target))?;
        }
        Ok(())
    }

    /// The packages and every library they depend on, directly or not. Names of libraries change with their versions,
    /// so they are read from the archive; programs that packages merely need for being installed are left out.
    fn with_libraries(&self, packages: &[&str]) -> Outcome<BTreeSet<String>> {
        let mut wanted = BTreeSet::new();
        let mut open: Vec<String> = packages.iter().map(|&name| name.to_owned()).collect();
        while let Some(name) = open.pop() {
            if wanted.contains(&name) {
                continue;
            }
            match run(self.apt("apt-cache").args(["show", "--no-all-versions", &name])) {
                Ok(output) => {
                    open.extend(libraries(&String::from_utf8_lossy(&output.stdout)));
                    wanted.insert(name);
                }
                // A virtual name or an alternative; the programs are run afterwards, which tells if it was needed.
                Err(_) if !packages.contains(&name.as_str()) => {}
                Err(_) => return Err(format!("{} has no package {name}", self.suites.join(" and "))),
            }
        }
        Ok(wanted)
    }

    /// Removes lists and downloads.
    pub fn close(self) -> Outcome<()> {
        super::remove(&self.folder)
    }
}

/// The sites of the machine's apt sources, Debian's own archive first.
fn sites() -> Outcome<Vec<String>> {
    let mut command = Command::new("apt-get");
    let output = run(command.args(["indextargets", "--format", "$(LABEL)\t$(SITE)", "Created-By: Packages"]))?;
    let mut lines: Vec<(bool, String)> = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let (label, site) = line.split_once('\t').unwrap_or(("", line));
        let line = (label != "Debian", site.to_owned());
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.sort_by_key(|(other, _)| *other);
    if lines.is_empty() {
        return Err("`apt-get indextargets` names no site: the peers come as Debian packages".to_owned());
    }
    Ok(lines.into_iter().map(|(_, site)| site).collect())
}

/// The libraries that a package's record says it depends on.
fn libraries(record: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in record.lines() {
        let Some((field, value)) = line.split_once(": ") else { continue };
        if field != "Depends" && field != "Pre-Depends" {
            continue;
        }
        for alternative in value.split([',', '|']) {
            let name = alternative.trim().split([' ', ':', '(']).next().unwrap_or_default();
            let library = ["lib", "lua", "zlib"].iter().any(|prefix| name.starts_with(prefix));
            if library || name.ends_with("-tools") {
                names.push(name.to_owned());
            }
        }
    }
    names
}

fn run(command: &mut Command) -> Outcome<Output> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("`{name}` cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let arguments: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    Err(format!("`{name} {}` failed: {text}", arguments.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::libraries;

    #[test]
    fn libraries_are_taken_from_a_record_and_other_packages_are_not() {
        let record = "Package: redis-tools\nVersion: 5:8.0.6-3\n\
             Depends: libc6 (>= 2.38), libjemalloc2 (>= 5.3.0), lua-cjson:any, adduser, zlib1g | other\n\
             Pre-Depends: init-system-helpers (>= 1.54~)\nDescription: libfake\n";
        assert_eq!(libraries(record), ["libc6", "libjemalloc2", "lua-cjson", "zlib1g"]);
    }
}
