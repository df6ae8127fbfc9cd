//! `lockstep demo`: a master, a replica and a replica of that replica as real processes on free loopback ports, a light
//! load, and a table of what goes on. The link of the middle one is cut and restored once, so that the partial
//! resynchronisation is seen. `--seconds N` ends by itself, with exit code 0 only if all three ended equal.

mod load;
mod proxy;
mod servers;
mod table;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use load::Load;
use proxy::Proxy;
use servers::{Server, compare};

/// When the link is cut, and for how long.
const CUT_AFTER: Duration = Duration::from_secs(4);
const CUT_FOR: Duration = Duration::from_secs(3);
/// How long the replicas may take to have everything after the last write.
const CATCH_UP_MAX: Duration = Duration::from_secs(20);
const REFRESH: Duration = Duration::from_millis(250);

/// Runs the demo with these words of the command line.
pub fn run(words: &[String]) -> ExitCode {
    let seconds = match words {
        [] => None,
        [option, value] if option == "--seconds" => match value.parse::<u64>() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => return usage(),
        },
        _ => return usage(),
    };
    match show(seconds) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("The demo failed: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("Usage: lockstep demo [--seconds N]");
    ExitCode::FAILURE
}

/// Shows it all: whether the three ended equal.
fn show(seconds: Option<Duration>) -> Result<bool, String> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(|error| error.to_string())?;
    }
    let master = Server::start("master", None)?;
    let proxy = Proxy::start(master.port).map_err(|error| format!("no proxy: {error}"))?;
    let middle = Server::start("replica", Some(proxy.port))?;
    let last = Server::start("sub-replica", Some(middle.port))?;
    let servers = [master, middle, last];
    println!("Lockstep demo: three servers in {}", servers::folder().display());
    println!("master :{} <- replica :{} <- sub-replica :{}", servers[0].port, servers[1].port, servers[2].port);
    println!("Look for yourself: redis-cli -p {}. Ctrl-C ends it.\n", servers[0].port);
    wait_until_linked(&servers, &stop)?;
    let load = Load::start(servers[0].port);
    let started = Instant::now();
    let mut screen = table::Screen::new(std::io::stdout().is_terminal());
    while !stop.load(Ordering::Relaxed) && seconds.is_none_or(|span| started.elapsed() < span) {
        let since = started.elapsed();
        let cut = (CUT_AFTER..CUT_AFTER + CUT_FOR).contains(&since);
        proxy.set_cut(cut);
        let note = match since {
            _ if cut => "the link of the replica is CUT",
            _ if since < CUT_AFTER => "the link of the replica will be cut soon",
            _ => "the link was restored: see 'last sync'",
        };
        screen.show(&servers, load.written(), note);
        std::thread::sleep(REFRESH);
    }
    proxy.set_cut(false);
    let written = load.stop()?;
    let equal = end_equal(&servers);
    screen.show(&servers, written, "the load has ended");
    match &equal {
        Ok(keys) => println!("\nAll three are equal: {keys} keys at the same offset."),
        Err(difference) => println!("\nNOT equal: {difference}"),
    }
    Ok(equal.is_ok())
}

fn wait_until_linked(servers: &[Server; 3], stop: &AtomicBool) -> Result<(), String> {
    let deadline = Instant::now() + CATCH_UP_MAX;
    while Instant::now() < deadline && !stop.load(Ordering::Relaxed) {
        if servers[1..].iter().all(|server| server.facts().link == "up") {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err("the replicas did not reach their masters".to_owned())
}

/// Waits until the three stand at one offset, and compares what they hold: how many keys, or what differs.
fn end_equal(servers: &[Server; 3]) -> Result<usize, String> {
    let deadline = Instant::now() + CATCH_UP_MAX;
    loop {
        let offsets = servers.each_ref().map(|server| server.facts().offset);
        if offsets[0] == offsets[1] && offsets[1] == offsets[2] && !offsets[0].is_empty() {
            return compare(servers);
        }
        if Instant::now() >= deadline {
            return Err(format!("the offsets are {}", offsets.join(", ")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
