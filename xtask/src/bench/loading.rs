//! `cargo xtask bench load`: how long a start takes that loads an RDB file, ours beside Valkey's. Valkey writes the file;
//! then both load it in turn, from the page cache: the time from the start of the program to the first answer with data,
//! and the processor time by then.

use super::servers::{Kind, Programs};
use super::shapes::{Shape, fill};
use super::throughput::spread;
use super::{Options, page};
use crate::Outcome;
use crate::server::target;
use std::path::Path;

const FILE: &str = "dump.rdb";
/// These make a file of about 2 GB.
const KEYS: u64 = 14_000_000;
const QUICK_KEYS: u64 = 1_000_000;
const KINDS: [Kind; 2] = [Kind::Ours, Kind::Valkey];

/// One start.
#[derive(Clone, Copy)]
struct Run {
    seconds: f64,
    cpu_seconds: f64,
    resident: u64,
}

/// Measures and writes the page's section.
pub fn run(options: &Options) -> Outcome<()> {
    let machine = page::machine();
    let programs = Programs::find(options.program.as_deref())?;
    let keys = if options.quick { QUICK_KEYS } else { KEYS };
    let folder = target().join(format!("bench-load-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let outcome = measure(options, &programs, keys, &folder.join(FILE), &machine);
    drop(std::fs::remove_dir_all(&folder)); // Only for this run.
    outcome
}

fn measure(options: &Options, programs: &Programs, keys: u64, file: &Path, machine: &str) -> Outcome<()> {
    let bytes = write_file(programs, keys, file)?;
    println!("a file of {} MiB with {keys} keys", bytes >> 20);
    let (mut names, mut runs) = ([String::new(), String::new()], [Vec::new(), Vec::new()]);
    for _ in 0..options.rounds {
        for (at, kind) in KINDS.into_iter().enumerate() {
            let (name, run) = start_with(programs, kind, file, keys)?;
            println!(
                "{name}: {:.2} s, processor {:.2} s, resident {} MiB",
                run.seconds,
                run.cpu_seconds,
                run.resident >> 20
            );
            names[at] = name;
            runs[at].push(run);
        }
    }
    let body = report(options, machine, keys, bytes, &names, &runs);
    println!("\n{body}");
    // A small file would stand on the page as if it were the large one.
    if options.quick { Ok(()) } else { page::write_section("Loading", &body) }
}

/// Lets Valkey write the file: its size in bytes.
fn write_file(programs: &Programs, keys: u64, file: &Path) -> Outcome<u64> {
    let server = programs.start(Kind::Valkey, &[])?;
    fill(&server, keys, shape_of)?;
    server.connect()?.call(&[b"SAVE"]).map_err(|error| format!("{}: SAVE: {error}", server.name))?;
    let shown = |error: std::io::Error| format!("{}: {error}", file.display());
    std::fs::rename(server.directory().join(FILE), file).map_err(shown)?;
    Ok(std::fs::metadata(file).map_err(shown)?.len())
}

/// What a data set holds that is used for several things at once: mostly strings, some of them large, a tenth of the keys
/// small collections, a tenth with a deadline.
fn shape_of(random: u64) -> (Shape, bool) {
    let shape = match random % 100 {
        0..20 => Shape::Text(8),
        20..60 => Shape::Text(64),
        60..75 => Shape::Text(200),
        75..80 => Shape::Text(600),
        80 => Shape::Text(3000),
        81..90 => Shape::Number,
        90..94 => Shape::Hash(5),
        94..96 => Shape::List(10),
        96..98 => Shape::Set(10),
        _ => Shape::ZSet(10),
    };
    (shape, (random >> 32).is_multiple_of(10))
}

/// Starts a server with the file in its folder.
fn start_with(programs: &Programs, kind: Kind, file: &Path, keys: u64) -> Outcome<(String, Run)> {
    let mut server = programs.start(kind, &[])?;
    std::fs::hard_link(file, server.directory().join(FILE)).map_err(|error| format!("{}: {error}", file.display()))?;
    let seconds = server.restart()?.as_secs_f64();
    let run = Run { seconds, cpu_seconds: server.cpu_seconds(), resident: server.memory().resident };
    let reply = server.connect()?.call(&[b"DBSIZE"]).map_err(|error| format!("{}: DBSIZE: {error}", server.name))?;
    match reply {
        client::Value::Int(found) if found as u64 == keys => Ok((server.name.clone(), run)),
        other => Err(format!("{}: DBSIZE is {other:?}, not {keys}", server.name)),
    }
}

fn report(
    options: &Options,
    machine: &str,
    keys: u64,
    bytes: u64,
    names: &[String; 2],
    runs: &[Vec<Run>; 2],
) -> String {
    let mut body = format!(
        "`cargo xtask bench load --rounds {}{}`: a file of {} MiB with {keys} keys of mixed sizes, written by Valkey, is \
         loaded at the start, from the page cache and with all cores: until the first answer with data. Ratios are taken \
         within a round; in brackets the least and the most of the rounds.\n\n{machine}\n",
        options.rounds,
        if options.quick { " --quick" } else { "" },
        bytes >> 20,
    );
    if let Some(program) = &options.program {
        body += &format!("\nOurs was built before, not from this commit: {}.\n", program.display());
    }
    if let Some(note) = &options.note {
        body += &format!("\n{note}\n");
    }
    let [ours, valkey] = names;
    body += &format!("\n| | {ours} | {valkey} | Valkey : ours |\n|---|---:|---:|---:|\n");
    let mut row = |name: &str, digits: usize, figure: &dyn Fn(&Run) -> f64| {
        let middle = |runs: &[Run]| spread(runs.iter().map(figure)).1;
        let ratio = spread(runs[0].iter().zip(&runs[1]).map(|(ours, valkey)| figure(valkey) / figure(ours)));
        body += &format!(
            "| {name} | {:.digits$} | {:.digits$} | {:.2}× ({:.2}–{:.2}) |\n",
            middle(&runs[0]),
            middle(&runs[1]),
            ratio.1,
            ratio.0,
            ratio.2
        );
    };
    row("start to first answer, s", 2, &|run| run.seconds);
    row("processor time, s", 2, &|run| run.cpu_seconds);
    row("resident set, MiB", 0, &|run| (run.resident >> 20) as f64);
    body
}
