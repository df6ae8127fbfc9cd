//! The demo's table, drawn over itself on a terminal, line after line elsewhere.

use super::servers::{Facts, Server};

/// Where the table is drawn.
pub struct Screen {
    redraws: bool,
    drawn: bool,
    frames: u32,
}

/// Without a terminal only every so many frames are printed.
const FRAMES_PER_PRINT: u32 = 4;
const LINES: usize = 7;

impl Screen {
    /// A screen that can be drawn over, or not.
    pub fn new(redraws: bool) -> Screen {
        Screen { redraws, drawn: false, frames: 0 }
    }

    /// Draws the table.
    pub fn show(&mut self, servers: &[Server; 3], written: u64, note: &str) {
        self.frames += 1;
        if !self.redraws && self.frames % FRAMES_PER_PRINT != 1 {
            return;
        }
        let all = servers.each_ref().map(Server::facts);
        if self.redraws && self.drawn {
            print!("\x1b[{LINES}A\x1b[J");
        }
        self.drawn = true;
        let first = offset(&all[0]);
        println!(
            "{:<12} {:<6} {:<8} {:<6} {:>10} {:>11} {:>7}  last sync",
            "server", "port", "role", "link", "offset", "lag, bytes", "keys"
        );
        println!("{}", "-".repeat(78));
        for (server, facts) in servers.iter().zip(&all) {
            let lag = match (first, offset(facts)) {
                (Some(first), Some(own)) => first.saturating_sub(own).to_string(),
                _ => "?".to_owned(),
            };
            println!(
                "{:<12} {:<6} {:<8} {:<6} {:>10} {:>11} {:>7}  {}",
                server.name, server.port, facts.role, facts.link, facts.offset, lag, facts.keys, facts.last_sync
            );
        }
        println!();
        println!("{written} writes acknowledged; {note}");
    }
}

fn offset(facts: &Facts) -> Option<u64> {
    facts.offset.parse().ok()
}
