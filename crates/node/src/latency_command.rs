//! LATENCY: what was slow of late, and how long commands take.

use commands::{Error, Flags, Meta, Outcome, Row};
use hdrhistogram::Histogram;
use resp::{Args, Reply};

use crate::client::ConnId;
use crate::latency::Spikes;
use crate::node::{Node, reply_to};
use crate::pubsub::container;
use crate::table::{CommandId, CommandTable, ServerFn, ServerRow};

/// The commands of this group.
pub const ROWS: &[ServerRow] = &[LATENCY];

const FLAGS: Flags = Flags::ADMIN.with(Flags::LOADING).with(Flags::NOSCRIPT).with(Flags::STALE);
const FIGURES: &[&str] = &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"];

/// One subcommand of LATENCY that tells something.
const fn telling(
    name: &'static str,
    since: &'static str,
    arity: i8,
    summary: &'static str,
    run: ServerFn,
) -> ServerRow {
    let meta = Meta::new("server", since, arity, FLAGS).about(summary, "O(1)").tips(FIGURES);
    Row { name, meta, run, subcommands: &[] }
}

/// Shows what was slow.
const LATENCY: ServerRow = Row {
    name: "latency",
    meta: Meta::new("server", "2.8.13", -2, Flags::NONE).about("Shows what was slow.", "Depends on the subcommand."),
    run: container,
    subcommands: &[
        telling("latest", "2.8.13", 2, "Shows the latest spike of every event.", latest),
        telling("history", "2.8.13", 3, "Shows the spikes of an event.", history).with_usage("event:string"),
        telling("graph", "2.8.13", 3, "Draws the spikes of an event.", graph).with_usage("event:string"),
        telling("doctor", "2.8.13", 2, "Explains the spikes and what may help.", doctor),
        telling("histogram", "7.0.0", -2, "Shows how long commands took.", histogram).with_usage("[command:string...]"),
        Row {
            name: "reset",
            meta: Meta::new("server", "2.8.13", -2, FLAGS)
                .about("Forgets the spikes of events.", "O(1)")
                .usage("[event:string...]")
                .tips(&["request_policy:all_nodes", "response_policy:agg_sum"]),
            run: reset,
            subcommands: &[],
        },
        Row {
            name: "help",
            meta: Meta::new("server", "2.8.13", 2, Flags::LOADING.with(Flags::STALE))
                .about("Lists the subcommands.", "O(1)"),
            run: help,
            subcommands: &[],
        },
    ],
};

fn latest(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    let Node { clients, latency, .. } = node;
    let mut reply = reply_to(&mut clients[conn]);
    reply.array(latency.events.len());
    for (name, spikes) in &latency.events {
        let (at, ms) = spikes.latest.back().copied().unwrap_or_default();
        reply.array(4);
        reply.bulk(name.as_bytes());
        reply.int(at);
        reply.int(ms as i64);
        reply.int(spikes.max_ms as i64);
    }
    Ok(())
}

fn spikes_of<'n>(node: &'n Node, event: &[u8]) -> Option<&'n Spikes> {
    node.latency.events.get(std::str::from_utf8(event).ok()?)
}

fn history(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let samples: Vec<(i64, u64)> =
        spikes_of(node, &args[2]).map_or(Vec::new(), |spikes| spikes.latest.iter().copied().collect());
    let mut reply = node.reply(conn);
    reply.array(samples.len());
    for (at, ms) in samples {
        reply.array(2);
        reply.int(at);
        reply.int(ms as i64);
    }
    Ok(())
}

fn reset(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let names = args.tail(2);
    let before = node.latency.events.len();
    node.latency.events.retain(|event, _| !names.is_empty() && !names.iter().any(|name| name == event.as_bytes()));
    let forgotten = before - node.latency.events.len();
    node.reply(conn).int(forgotten as i64);
    Ok(())
}

fn graph(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let Some(spikes) = spikes_of(node, &args[2]) else {
        let event = String::from_utf8_lossy(&args[2]);
        return Err(Error::owned(format!("ERR No samples available for event '{event}'")));
    };
    let text = draw(&String::from_utf8_lossy(&args[2]), spikes, node.unix.seconds());
    node.reply(conn).verbatim(b"txt", text.as_bytes());
    Ok(())
}

/// How many rows a graph has, and which characters stand for the parts of a row.
const GRAPH_ROWS: usize = 4;
const GRAPH_STEPS: [char; 3] = ['_', 'o', '#'];

/// A column for each spike, the newest to the right, its age below it.
fn draw(event: &str, spikes: &Spikes, now: i64) -> String {
    let times = || spikes.latest.iter().map(|(_, ms)| *ms);
    let (low, high) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
    let mut text = format!("{event} - high {high} ms, low {low} ms (all time high {} ms)\n", spikes.max_ms);
    text.push_str(&"-".repeat(80));
    text.push('\n');
    let top_step = (GRAPH_ROWS * GRAPH_STEPS.len() - 1) as u64;
    let heights: Vec<usize> =
        times().map(|ms| ((ms - low) * top_step).checked_div(high - low).unwrap_or(0) as usize).collect();
    for row in (0..GRAPH_ROWS).rev() {
        for height in &heights {
            text.push(match (height / GRAPH_STEPS.len()).cmp(&row) {
                std::cmp::Ordering::Greater => '|',
                std::cmp::Ordering::Equal => GRAPH_STEPS[height % GRAPH_STEPS.len()],
                std::cmp::Ordering::Less => ' ',
            });
        }
        text.push('\n');
    }
    text.push('\n');
    let ages: Vec<Vec<u8>> = spikes.latest.iter().map(|(at, _)| age(now - at).into_bytes()).collect();
    for row in 0..ages.iter().map(Vec::len).max().unwrap_or(0) {
        text.extend(ages.iter().map(|age| age.get(row).map_or(' ', |byte| char::from(*byte))));
        text.push('\n');
    }
    text
}

/// A time ago in its largest unit: `42s`, `3m`, `2h`, `5d`.
fn age(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..86400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86400),
    }
}

fn doctor(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    let events = &node.latency.events;
    let threshold = node.config.latency_monitor_threshold;
    let text = if events.is_empty() && threshold == 0 {
        "The latency monitor is off: set latency-monitor-threshold to the milliseconds that are too long.\n".to_owned()
    } else if events.is_empty() {
        "Nothing took too long since the latency monitor was turned on.\n".to_owned()
    } else {
        let lines: Vec<String> = events.iter().map(|(name, spikes)| diagnose(name, spikes)).collect();
        format!("Events that took too long:\n\n{}\n{}", lines.concat(), advice(node))
    };
    node.reply(conn).verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn diagnose(event: &str, spikes: &Spikes) -> String {
    let count = spikes.latest.len() as u64;
    let mean = spikes.latest.iter().map(|(_, ms)| ms).sum::<u64>() / count.max(1);
    let deviation = spikes.latest.iter().map(|(_, ms)| ms.abs_diff(mean)).sum::<u64>() / count.max(1);
    let span = match (spikes.latest.front(), spikes.latest.back()) {
        (Some((first, _)), Some((last, _))) => (last - first) as f64,
        _ => 0.0,
    };
    let period = span / count.saturating_sub(1).max(1) as f64;
    format!(
        "{event}: {count} spikes, {mean} ms on average, deviation {deviation} ms, one every {period:.1} s, at worst {} ms.\n",
        spikes.max_ms
    )
}

fn advice(node: &Node) -> String {
    let slower_than = node.config.slowlog_log_slower_than;
    let threshold_us = node.config.latency_monitor_threshold as i64 * 1000;
    let mut text = String::new();
    if node.latency.events.contains_key("command") {
        if slower_than < 0 || slower_than > threshold_us {
            text.push_str(&format!(
                " * SLOWLOG misses commands that the latency monitor sees: set slowlog-log-slower-than to {threshold_us}.\n"
            ));
        } else {
            text.push_str(" * SLOWLOG GET shows which commands they were.\n");
        }
        text.push_str(" * Commands that read or delete many elements at once are best split into several.\n");
    }
    text
}

fn histogram(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let Node { clients, latency, table, .. } = node;
    let ids = chosen(table, &args.tail(2));
    let timed: Vec<(CommandId, &Histogram<u64>)> =
        ids.into_iter().filter_map(|id| Some((id, latency.histogram(id)?))).collect();
    let mut reply = reply_to(&mut clients[conn]);
    reply.map(timed.len());
    for (id, histogram) in timed {
        reply.bulk(table.get(id).full_name.as_bytes());
        reply.map(2);
        reply.bulk(b"calls");
        reply.int(histogram.len() as i64);
        reply.bulk(b"histogram_usec");
        reply_distribution(&mut reply, histogram);
    }
    Ok(())
}

/// The commands that were named, a container standing for its subcommands; all if none was named.
fn chosen(table: &CommandTable, names: &Args<'_>) -> Vec<CommandId> {
    if names.is_empty() {
        return table.all().map(|(id, _)| id).collect();
    }
    let named = names.iter().filter_map(|name| crate::command_command::find(table, name));
    named.flat_map(|id| std::iter::once(id).chain(table.get(id).subcommands.iter().copied())).collect()
}

/// The end of the last interval: what is longer is in it too.
const LAST_NS: u64 = (1 << 30) - 1;

/// How many calls took at most so many microseconds: each power of two, in units of 1024 ns, at which the count grows.
fn reply_distribution(reply: &mut Reply<'_>, histogram: &Histogram<u64>) {
    let mark = reply.deferred();
    let (mut pairs, mut before, mut bound) = (0, 0, 1024_u64);
    while before < histogram.len() {
        let last = bound > LAST_NS;
        let up_to = histogram.highest_equivalent(bound.min(LAST_NS));
        let count = if last { histogram.len() } else { histogram.count_between(0, up_to) };
        if count > before {
            reply.int((up_to / 1000) as i64);
            reply.int(count as i64);
            pairs += 1;
            before = count;
        }
        bound *= 2;
    }
    reply.finish_map(mark, pairs);
}

fn help(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    crate::help::reply(
        node,
        conn,
        "LATENCY",
        &[
            ("DOCTOR", "Explain the spikes and what may help."),
            ("GRAPH <event>", "Draw the spikes of an event."),
            ("HISTOGRAM [COMMAND ...]", "Return how long commands took (default: all that were timed)."),
            ("HISTORY <event>", "Return the spikes of an event: time, milliseconds."),
            ("LATEST", "Return the latest spike of every event: name, time, milliseconds, longest ever."),
            ("RESET [<event> ...]", "Forget the spikes of these events (default: all)."),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_has_a_column_for_each_spike() {
        let mut spikes = Spikes { max_ms: 90, ..Spikes::default() };
        spikes.latest.extend([(100, 10), (105, 50), (170, 90)]);
        let text = draw("command", &spikes, 170);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "command - high 90 ms, low 10 ms (all time high 90 ms)");
        assert_eq!(&lines[2..6], ["  #", "  |", " #|", "_||"]);
        assert_eq!(&lines[7..], ["110", "mms"]);
    }
}
