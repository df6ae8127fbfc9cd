//! TIME and LOLWUT: the wall clock, and something to look at.

use commands::{Flags, Meta, Outcome, Row, int, is};
use resp::Args;

use crate::client::ConnId;
use crate::connection::REDIS_VERSION;
use crate::node::Node;
use crate::table::{ServerFn, ServerRow};

/// The commands of this group.
pub const ROWS: &[ServerRow] = &[TIME, LOLWUT];

/// What time it is.
const TIME: ServerRow = Row {
    name: "time",
    meta: Meta::new("server", "2.6.0", 1, Flags::FAST.with(Flags::LOADING).with(Flags::STALE))
        .about("Tells the server's time: Unix seconds, and the microseconds in that second.", "O(1)")
        .tips(&["nondeterministic_output"]),
    run: time as ServerFn,
    subcommands: &[],
};

fn time(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    let micros = node.host.unix_micros();
    let mut reply = node.reply(conn);
    reply.array(2);
    reply.bulk_int(micros.div_euclid(1_000_000));
    reply.bulk_int(micros.rem_euclid(1_000_000));
    Ok(())
}

/// Something to look at.
const LOLWUT: ServerRow = Row {
    name: "lolwut",
    meta: Meta::new("server", "5.0.0", -1, Flags::FAST.with(Flags::READONLY))
        .about("Draws something, and tells the version.", "")
        .usage("[VERSION=version:integer]"),
    run: lolwut as ServerFn,
    subcommands: &[],
};

/// How many columns and rows the drawing has.
const WIDTH: usize = 48;
const HEIGHT: usize = 9;

/// Draws walkers that leave at different times and all keep the same step.
fn lolwut(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    if args.len() > 2 && is(&args[1], "VERSION") {
        int(&args[2])?; // There is one drawing, whichever is asked for.
    }
    let mut text = String::new();
    let mut at: i32 = node.rng.i32(2..6);
    let mut path = Vec::with_capacity(WIDTH);
    for _ in 0..WIDTH {
        at = (at + node.rng.i32(-1..=1)).clamp(0, HEIGHT as i32 - 3);
        path.push(at as usize);
    }
    for row in 0..HEIGHT {
        let line: String = (0..WIDTH)
            .map(|column| match row.wrapping_sub(path[column]) {
                0 => '/',
                1 => '=',
                2 => '/',
                _ => ' ',
            })
            .collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push_str(&format!("\nThree of them, always in step.\nRedis ver. {REDIS_VERSION}\n"));
    text.push_str(&format!("Lockstep ver. {}\n", env!("CARGO_PKG_VERSION")));
    node.reply(conn).verbatim(b"txt", text.as_bytes());
    Ok(())
}
