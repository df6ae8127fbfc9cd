//! What loading the settings asks of the system: the working directory, and the files of an `include`.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use config::Surroundings;

use crate::files::path_of;
use crate::reason;

/// The system around the settings.
pub struct System;

impl Surroundings for System {
    fn enter(&mut self, directory: &[u8]) -> Result<Vec<u8>, String> {
        std::env::set_current_dir(path_of(directory)).map_err(|error| reason(&error))?;
        working_directory()
    }

    fn include(&mut self, pattern: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
        // A name without a wildcard is a file that must be there; a pattern may fit none.
        let paths = if has_wildcard(pattern) { expand(path_of(pattern)) } else { vec![path_of(pattern).to_owned()] };
        let read = |path: PathBuf| {
            let text = std::fs::read(&path)
                .map_err(|error| format!("can't open config file '{}': {}", path.display(), reason(&error)))?;
            Ok((path.display().to_string(), text))
        };
        paths.into_iter().map(read).collect()
    }
}

/// The working directory's absolute path.
pub fn working_directory() -> Result<Vec<u8>, String> {
    let path = std::env::current_dir().map_err(|error| reason(&error))?;
    Ok(path.into_os_string().into_vec())
}

fn has_wildcard(name: &[u8]) -> bool {
    name.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// The paths that fit a pattern, in order; wildcards may stand in directories, too, and fit no leading dot.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let part = part.as_os_str();
        if !has_wildcard(part.as_bytes()) {
            for path in &mut found {
                path.push(part);
            }
            continue;
        }
        found = found.iter().flat_map(|directory| fitting(directory, part)).collect();
    }
    found.retain(|path| path.exists());
    found
}

fn fitting(directory: &Path, part: &OsStr) -> Vec<PathBuf> {
    let listed = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let Ok(entries) = std::fs::read_dir(listed) else { return Vec::new() };
    let mut names: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    let wants_dot = part.as_bytes().starts_with(b".");
    names.retain(|name| {
        base::glob_match(part.as_bytes(), name.as_bytes(), false) && name.as_bytes().starts_with(b".") == wants_dot
    });
    names.sort();
    names.into_iter().map(|name| directory.join(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_in_directories_too_and_no_hidden_file() {
        let folder = std::env::temp_dir().join(format!("lockstep-include-{}", std::process::id()));
        for name in ["b/1.conf", "a/2.conf", "a/1.conf", "a/.hidden.conf", "a/other"] {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        let names = |pattern: &str| {
            let pattern = folder.join(pattern);
            let files = System.include(pattern.as_os_str().as_bytes()).unwrap();
            files.into_iter().map(|(_, text)| String::from_utf8(text).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(names("*/?.conf"), ["a/1.conf", "a/2.conf", "b/1.conf"]);
        assert_eq!(names("a/[2]*"), ["a/2.conf"]);
        assert_eq!(names("none*"), [""; 0]);
        let missing = System.include(b"/nowhere/x.conf").unwrap_err();
        assert_eq!(missing, "can't open config file '/nowhere/x.conf': No such file or directory");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
