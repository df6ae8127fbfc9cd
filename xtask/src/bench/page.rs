//! docs/benchmarks.md: one section a benchmark, replaced by each run; the machine it ran on.

use crate::{Outcome, workspace};
use std::process::Command;

const HEAD: &str =
    "# Benchmarks\n\nEvery section is written by the command that it names. Figures are medians of the rounds.\n";

/// Replaces the section with this heading, or adds it.
pub fn write_section(heading: &str, body: &str) -> Outcome<()> {
    let path = workspace::root().join("docs/benchmarks.md");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| HEAD.to_owned());
    std::fs::write(&path, with_section(&text, heading, body)).map_err(|error| format!("{}: {error}", path.display()))
}

fn with_section(text: &str, heading: &str, body: &str) -> String {
    let section = format!("## {heading}\n\n{}\n", body.trim_end());
    let mut parts: Vec<String> = text.split("\n## ").map(str::to_owned).collect();
    parts.iter_mut().skip(1).for_each(|part| part.insert_str(0, "## "));
    let first_line = format!("## {heading}");
    match parts.iter_mut().find(|part| part.lines().next() == Some(&first_line)) {
        Some(part) => *part = section,
        None => parts.push(section),
    }
    parts.iter().map(|part| part.trim_end().to_owned() + "\n").collect::<Vec<_>>().join("\n")
}

/// Processor, memory, system, commit and how busy the machine was, in one sentence.
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |path: &str, name: &str| {
        let text = read(path);
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        line.split(':').nth(1).unwrap_or("unknown").trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kib: u64 = field("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
    format!(
        "{cores} cores of {}, {} GiB, Linux {}, commit {}, load average {} at the start.",
        field("/proc/cpuinfo", "model name"),
        kib / (1 << 20),
        read("/proc/sys/kernel/osrelease").trim(),
        commit(),
        read("/proc/loadavg").split(' ').next().unwrap_or("unknown"),
    )
}

/// The commit that is checked out, and whether files differ from it.
pub fn commit() -> String {
    let git = |words: &[&str]| {
        let output = Command::new("git").args(words).current_dir(workspace::root()).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    let changed = !git(&["status", "--porcelain", "--untracked-files=no", "--", "crates", "Cargo.toml"]).is_empty();
    git(&["rev-parse", "--short", "HEAD"]) + if changed { " and changes" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::with_section;

    #[test]
    fn a_section_is_replaced_and_the_others_stay() {
        let text = "# Benchmarks\n\nIntro.\n\n## One\n\nold\n\n## Two\n\nkept\n";
        let replaced = with_section(text, "One", "new\n");
        assert_eq!(replaced, "# Benchmarks\n\nIntro.\n\n## One\n\nnew\n\n## Two\n\nkept\n");
        assert_eq!(with_section(&replaced, "Three", "x"), replaced.clone() + "\n## Three\n\nx\n");
    }
}
