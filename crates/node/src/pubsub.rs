//! Publish and subscribe: who listens to which channels and patterns, and the commands.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base::glob_match;
use commands::{Error, Flags, KeyAccess, KeySpec, Meta, Outcome, Row};
use resp::{Args, Protocol, Reply};

use crate::client::{Client, ConnId};
use crate::node::Node;
use crate::table::{ServerFn, ServerRow};

/// What can be subscribed to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Topic {
    /// A channel by name.
    Channel,
    /// All channels that match a pattern.
    Pattern,
    /// A channel that belongs to a slot; without a cluster it is a channel of its own kind.
    Shard,
}

impl Topic {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Topic::Channel => ("subscribe", "unsubscribe"),
            Topic::Pattern => ("psubscribe", "punsubscribe"),
            Topic::Shard => ("ssubscribe", "sunsubscribe"),
        }
    }
}

/// Who listens to what.
#[derive(Default)]
pub struct PubSub {
    topics: [HashMap<Arc<[u8]>, Vec<ConnId>>; 3],
    /// What each connection listens to.
    by_conn: BTreeMap<(ConnId, u8), Subscriptions>,
    /// How many subscriptions there were.
    subscribed: u64,
}

/// What a connection listens to of one kind, by name.
type Subscriptions = HashMap<Arc<[u8]>, Subscription>;

/// That a connection listens to a topic.
struct Subscription {
    /// Where the connection stands among the topic's listeners, so that nobody has to look for it.
    place: usize,
    /// Which it was of all, for UNSUBSCRIBE without names.
    number: u64,
}

impl PubSub {
    fn subscribe(&mut self, topic: Topic, name: &[u8], conn: ConnId) -> bool {
        let names = self.by_conn.entry((conn, topic as u8)).or_default();
        if names.contains_key(name) {
            return false;
        }
        let topics = &mut self.topics[topic as usize];
        let (name, place) = match topics.get_key_value(name) {
            Some((name, listeners)) => (Arc::clone(name), listeners.len()),
            None => (Arc::from(name), 0),
        };
        self.subscribed += 1;
        names.insert(Arc::clone(&name), Subscription { place, number: self.subscribed });
        topics.entry(name).or_default().push(conn);
        true
    }

    fn unsubscribe(&mut self, topic: Topic, name: &[u8], conn: ConnId) -> bool {
        let Some(names) = self.by_conn.get_mut(&(conn, topic as u8)) else { return false };
        let Some(Subscription { place, .. }) = names.remove(name) else { return false };
        if names.is_empty() {
            self.by_conn.remove(&(conn, topic as u8));
        }
        self.drop_listener(topic, name, place);
        true
    }

    /// The last of the listeners takes the place of the one that leaves.
    fn drop_listener(&mut self, topic: Topic, name: &[u8], place: usize) {
        let topics = &mut self.topics[topic as usize];
        let listeners = topics.get_mut(name).expect("it has a listener");
        listeners.swap_remove(place);
        if let Some(moved) = listeners.get(place) {
            let names = self.by_conn.get_mut(&(*moved, topic as u8)).expect("it listens to something");
            names.get_mut(name).expect("it listens to this").place = place;
        } else if listeners.is_empty() {
            topics.remove(name);
        }
    }

    /// What a connection listens to, in the order in which it began to.
    fn names_of(&self, topic: Topic, conn: ConnId) -> Vec<Vec<u8>> {
        let Some(names) = self.by_conn.get(&(conn, topic as u8)) else { return Vec::new() };
        let mut names: Vec<_> = names.iter().map(|(name, subscription)| (subscription.number, name)).collect();
        names.sort_unstable();
        names.into_iter().map(|(_, name)| name.to_vec()).collect()
    }

    /// A connection is gone.
    pub fn forget(&mut self, conn: ConnId) {
        for topic in [Topic::Channel, Topic::Pattern, Topic::Shard] {
            for (name, Subscription { place, .. }) in self.by_conn.remove(&(conn, topic as u8)).unwrap_or_default() {
                self.drop_listener(topic, &name, place);
            }
        }
    }

    /// How many channels, patterns and shard channels have listeners.
    pub fn counts(&self) -> [usize; 3] {
        [self.topics[0].len(), self.topics[1].len(), self.topics[2].len()]
    }
}

impl Node {
    /// Sends a message to all who listen: how many got it.
    pub(crate) fn publish(&mut self, channel: &[u8], message: &[u8]) -> usize {
        let Node { pubsub, clients, .. } = self;
        let mut receivers = Vec::new();
        for conn in pubsub.topics[Topic::Channel as usize].get(channel).into_iter().flatten() {
            let Some(client) = clients.get_mut(*conn) else { continue };
            let mut reply = push_to(client);
            reply.push(3);
            reply.bulk(b"message");
            reply.bulk(channel);
            reply.bulk(message);
            receivers.push(*conn);
        }
        for (pattern, listeners) in &pubsub.topics[Topic::Pattern as usize] {
            if !glob_match(pattern, channel, false) {
                continue;
            }
            for conn in listeners {
                let Some(client) = clients.get_mut(*conn) else { continue };
                let mut reply = push_to(client);
                reply.push(4);
                reply.bulk(b"pmessage");
                reply.bulk(pattern);
                reply.bulk(channel);
                reply.bulk(message);
                receivers.push(*conn);
            }
        }
        self.delivered(&receivers);
        receivers.len()
    }

    fn publish_to_shard(&mut self, channel: &[u8], message: &[u8]) -> usize {
        let Node { pubsub, clients, .. } = self;
        let receivers = pubsub.topics[Topic::Shard as usize].get(channel).cloned().unwrap_or_default();
        for conn in &receivers {
            let Some(client) = clients.get_mut(*conn) else { continue };
            let mut reply = push_to(client);
            reply.push(3);
            reply.bulk(b"smessage");
            reply.bulk(channel);
            reply.bulk(message);
        }
        self.delivered(&receivers);
        receivers.len()
    }

    /// Delivers a message that the master published.
    pub(crate) fn deliver(&mut self, topic: Topic, channel: &[u8], message: &[u8]) -> usize {
        if topic == Topic::Shard { self.publish_to_shard(channel, message) } else { self.publish(channel, message) }
    }

    fn delivered(&mut self, receivers: &[ConnId]) {
        for conn in receivers {
            self.clients.mark_dirty(*conn);
            if self.clients.get(*conn).is_some() {
                self.check_output_limit(*conn);
            }
        }
    }

    /// Ends all subscriptions of a client: how RESET and a lost replica link clean up.
    pub(crate) fn unsubscribe_all(&mut self, conn: ConnId) {
        self.pubsub.forget(conn);
        if let Some(client) = self.clients.get_mut(conn) {
            client.subscriptions = [0; 3];
        }
    }
}

/// A message to a client: CLIENT REPLY does not hold it back, and it waits until the reply to a command of its own is
/// complete.
fn push_to(client: &mut Client) -> Reply<'_> {
    let out = if client.executing { &mut client.pushes } else { &mut client.outbox };
    let mut reply = Reply::new(out, client.proto);
    // Nothing follows the last reply, say that to what was no request.
    reply.set_silent(client.closing || client.close_after_reply);
    reply
}

fn subscribe_to(node: &mut Node, conn: ConnId, args: &Args<'_>, topic: Topic) -> Outcome {
    if topic != Topic::Shard && node.clients[conn].transaction.is_some() && node.clients[conn].proto == Protocol::Resp2
    {
        return Err(Error::text("ERR Command not allowed inside a transaction"));
    }
    for name in args.tail(1).iter() {
        if node.pubsub.subscribe(topic, name, conn) {
            node.clients[conn].subscriptions[topic as usize] += 1;
        }
        confirm(node, conn, topic.words().0, Some(name), topic);
    }
    Ok(())
}

fn unsubscribe_from(node: &mut Node, conn: ConnId, args: &Args<'_>, topic: Topic) -> Outcome {
    let names = if args.len() > 1 {
        args.tail(1).iter().map(<[u8]>::to_vec).collect()
    } else {
        node.pubsub.names_of(topic, conn)
    };
    if names.is_empty() {
        confirm(node, conn, topic.words().1, None, topic);
    }
    for name in names {
        if node.pubsub.unsubscribe(topic, &name, conn) {
            node.clients[conn].subscriptions[topic as usize] -= 1;
        }
        confirm(node, conn, topic.words().1, Some(&name), topic);
    }
    Ok(())
}

/// One confirmation per name; shard subscriptions are counted apart.
fn confirm(node: &mut Node, conn: ConnId, word: &str, name: Option<&[u8]>, topic: Topic) {
    let [channels, patterns, shards] = node.clients[conn].subscriptions;
    let count = if topic == Topic::Shard { shards } else { channels + patterns };
    // CLIENT REPLY holds back replies; this is a message.
    let client = &mut node.clients[conn];
    let mut reply = Reply::new(&mut client.outbox, client.proto);
    reply.push(3);
    reply.bulk(word.as_bytes());
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.int(count as i64);
}

/// The commands of this group.
pub const ROWS: &[ServerRow] =
    &[SUBSCRIBE, UNSUBSCRIBE, PSUBSCRIBE, PUNSUBSCRIBE, SSUBSCRIBE, SUNSUBSCRIBE, PUBLISH, SPUBLISH, PUBSUB];

const LISTENING: Flags = Flags::LOADING.with(Flags::NOSCRIPT).with(Flags::PUBSUB).with(Flags::STALE);
const SHARD_KEYS: &[KeySpec] = &[KeySpec::range(KeyAccess::NOT_KEY, 1, -1, 1)];

/// A command that listens, or stops listening.
const fn listening(
    name: &'static str,
    since: &'static str,
    arity: i8,
    summary: &'static str,
    run: ServerFn,
) -> ServerRow {
    Row { name, meta: Meta::new("pubsub", since, arity, LISTENING).about(summary, "O(N)"), run, subcommands: &[] }
}

/// Listens to channels.
const SUBSCRIBE: ServerRow = listening("subscribe", "2.0.0", -2, "Listens to channels.", |node, conn, args| {
    subscribe_to(node, conn, args, Topic::Channel)
})
.with_usage("channel:string...");

/// Stops listening to channels.
const UNSUBSCRIBE: ServerRow =
    listening("unsubscribe", "2.0.0", -1, "Stops listening to channels, or to all of them.", |node, conn, args| {
        unsubscribe_from(node, conn, args, Topic::Channel)
    })
    .with_usage("[channel:string...]");

/// Listens to all channels that match patterns.
const PSUBSCRIBE: ServerRow =
    listening("psubscribe", "2.0.0", -2, "Listens to the channels that match patterns.", |node, conn, args| {
        subscribe_to(node, conn, args, Topic::Pattern)
    })
    .with_usage("pattern:pattern...");

/// Stops listening to patterns.
const PUNSUBSCRIBE: ServerRow =
    listening("punsubscribe", "2.0.0", -1, "Stops listening to patterns, or to all of them.", |node, conn, args| {
        unsubscribe_from(node, conn, args, Topic::Pattern)
    })
    .with_usage("[pattern:pattern...]");

/// Listens to shard channels.
const SSUBSCRIBE: ServerRow =
    listening("ssubscribe", "7.0.0", -2, "Listens to channels that belong to a shard.", |node, conn, args| {
        subscribe_to(node, conn, args, Topic::Shard)
    })
    .with_usage("shardchannel:string...")
    .with_keys(SHARD_KEYS);

/// Stops listening to shard channels.
const SUNSUBSCRIBE: ServerRow = listening(
    "sunsubscribe",
    "7.0.0",
    -1,
    "Stops listening to shard channels, or to all of them.",
    |node, conn, args| unsubscribe_from(node, conn, args, Topic::Shard),
)
.with_usage("[shardchannel:string...]")
.with_keys(SHARD_KEYS);

const SENDING: Flags =
    Flags::FAST.with(Flags::LOADING).with(Flags::MAY_REPLICATE).with(Flags::PUBSUB).with(Flags::STALE);

/// Sends a message to all who listen to a channel, here and on the replicas.
const PUBLISH: ServerRow = Row {
    name: "publish",
    meta: Meta::new("pubsub", "2.0.0", 3, SENDING)
        .about("Sends a message to a channel.", "O(N+M)")
        .usage("channel:string message:string"),
    run: publish as ServerFn,
    subcommands: &[],
};

fn publish(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let receivers = node.publish(&args[1], &args[2]);
    node.effects.replicate_always_without_db();
    node.reply(conn).int(receivers as i64);
    Ok(())
}

/// Sends a message to all who listen to a shard channel.
const SPUBLISH: ServerRow = Row {
    name: "spublish",
    meta: Meta::new("pubsub", "7.0.0", 3, SENDING)
        .about("Sends a message to a shard channel.", "O(N)")
        .keys(&[KeySpec::range(KeyAccess::NOT_KEY, 1, 0, 1)])
        .usage("shardchannel:string message:string"),
    run: spublish as ServerFn,
    subcommands: &[],
};

fn spublish(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let receivers = node.publish_to_shard(&args[1], &args[2]);
    node.effects.replicate_always_without_db();
    node.reply(conn).int(receivers as i64);
    Ok(())
}

/// Tells who listens.
const PUBSUB: ServerRow = Row {
    name: "pubsub",
    meta: Meta::new("pubsub", "2.8.0", -2, Flags::NONE)
        .about("Tells which channels have listeners.", "Depends on the subcommand."),
    run: container,
    subcommands: &[
        telling(
            "channels",
            "2.8.0",
            -2,
            "Lists the channels that have listeners.",
            "[pattern:pattern]",
            |node, conn, args| list_channels(node, conn, args, Topic::Channel),
        ),
        telling(
            "numsub",
            "2.8.0",
            -2,
            "Counts the listeners of channels.",
            "[channel:string...]",
            |node, conn, args| count_listeners(node, conn, args, Topic::Channel),
        ),
        telling("numpat", "2.8.0", 2, "Counts the patterns that have listeners.", "", |node, conn, _args| {
            let patterns = node.pubsub.counts()[Topic::Pattern as usize];
            node.reply(conn).int(patterns as i64);
            Ok(())
        }),
        telling(
            "shardchannels",
            "7.0.0",
            -2,
            "Lists the shard channels that have listeners.",
            "[pattern:pattern]",
            |node, conn, args| list_channels(node, conn, args, Topic::Shard),
        ),
        telling(
            "shardnumsub",
            "7.0.0",
            -2,
            "Counts the listeners of shard channels.",
            "[shardchannel:string...]",
            |node, conn, args| count_listeners(node, conn, args, Topic::Shard),
        ),
        Row {
            name: "help",
            meta: Meta::new("pubsub", "6.2.0", 2, Flags::LOADING.with(Flags::STALE))
                .about("Lists the subcommands.", "O(1)"),
            run: help,
            subcommands: &[],
        },
    ],
};

const fn telling(
    name: &'static str,
    since: &'static str,
    arity: i8,
    summary: &'static str,
    usage: &'static str,
    run: ServerFn,
) -> ServerRow {
    let flags = Flags::LOADING.with(Flags::PUBSUB).with(Flags::STALE);
    Row {
        name,
        meta: Meta::new("pubsub", since, arity, flags).about(summary, "O(N)").usage(usage),
        run,
        subcommands: &[],
    }
}

/// A container command is never run itself: the table finds its subcommand or refuses.
pub(crate) fn container(_node: &mut Node, _conn: ConnId, _args: &Args<'_>) -> Outcome {
    Err(Error::Syntax)
}

fn list_channels(node: &mut Node, conn: ConnId, args: &Args<'_>, topic: Topic) -> Outcome {
    if args.len() > 3 {
        return Err(crate::help::wrong_arguments(args));
    }
    let pattern = args.get(2);
    let names: Vec<Arc<[u8]>> = node.pubsub.topics[topic as usize]
        .keys()
        .filter(|name| pattern.is_none_or(|pattern| glob_match(pattern, name, false)))
        .cloned()
        .collect();
    let mut reply = node.reply(conn);
    reply.array(names.len());
    names.iter().for_each(|name| reply.bulk(name));
    Ok(())
}

fn count_listeners(node: &mut Node, conn: ConnId, args: &Args<'_>, topic: Topic) -> Outcome {
    let names = args.tail(2);
    let counts: Vec<usize> =
        names.iter().map(|name| node.pubsub.topics[topic as usize].get(name).map_or(0, Vec::len)).collect();
    let mut reply = node.reply(conn);
    reply.array(names.len() * 2);
    for (name, count) in names.iter().zip(counts) {
        reply.bulk(name);
        reply.int(count as i64);
    }
    Ok(())
}

fn help(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    crate::help::reply(
        node,
        conn,
        "PUBSUB",
        &[
            ("CHANNELS [<pattern>]", "List the channels that have listeners and match the pattern (default: '*')."),
            ("NUMPAT", "Count the patterns that have listeners."),
            ("NUMSUB [<channel> ...]", "Count the listeners of each channel."),
            (
                "SHARDCHANNELS [<pattern>]",
                "List the shard channels that have listeners and match the pattern (default: '*').",
            ),
            ("SHARDNUMSUB [<shardchannel> ...]", "Count the listeners of each shard channel."),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conn(number: u32) -> ConnId {
        ConnId { slot: number, id: u64::from(number) }
    }

    /// Every subscription of one index is in the other, at its place.
    fn check(pubsub: &PubSub) {
        let mut listeners = 0;
        for ((conn, topic), names) in &pubsub.by_conn {
            assert!(!names.is_empty());
            for (name, subscription) in names {
                assert_eq!(pubsub.topics[*topic as usize][name][subscription.place], *conn);
            }
            listeners += names.len();
        }
        assert!(pubsub.topics.iter().flat_map(HashMap::values).all(|conns| !conns.is_empty()));
        assert_eq!(pubsub.topics.iter().flat_map(HashMap::values).map(Vec::len).sum::<usize>(), listeners);
    }

    #[test]
    fn both_indexes_agree_whoever_comes_and_leaves() {
        let mut rng = fastrand::Rng::with_seed(3);
        let mut pubsub = PubSub::default();
        let mut model = std::collections::BTreeSet::<(ConnId, u8, [u8; 1])>::new();
        for _ in 0..5000 {
            let topic = [Topic::Channel, Topic::Pattern, Topic::Shard][rng.usize(..3)];
            let (who, name) = (conn(rng.u32(..6)), [b'a' + rng.u8(..5)]);
            match rng.u8(..20) {
                0 => {
                    pubsub.forget(who);
                    model.retain(|(conn, ..)| *conn != who);
                }
                1..11 => {
                    assert_eq!(pubsub.subscribe(topic, &name, who), model.insert((who, topic as u8, name)));
                }
                _ => assert_eq!(pubsub.unsubscribe(topic, &name, who), model.remove(&(who, topic as u8, name))),
            }
            check(&pubsub);
        }
        (0..6).for_each(|number| pubsub.forget(conn(number)));
        assert_eq!((pubsub.counts(), pubsub.by_conn.len()), ([0; 3], 0));
    }

    // Each took a look at all the others.
    #[test]
    fn many_names_and_many_listeners_come_and_leave_in_no_time() {
        const MANY: u32 = 200_000;
        let mut pubsub = PubSub::default();
        for number in 0..MANY {
            pubsub.subscribe(Topic::Channel, &number.to_be_bytes(), conn(0));
            pubsub.subscribe(Topic::Channel, b"all", conn(number));
        }
        for number in 0..MANY {
            assert!(pubsub.unsubscribe(Topic::Channel, &number.to_be_bytes(), conn(0)));
            assert!(pubsub.unsubscribe(Topic::Channel, b"all", conn(number)));
        }
        assert_eq!((pubsub.counts(), pubsub.by_conn.len()), ([0; 3], 0));
    }

    #[test]
    fn names_are_told_in_the_order_in_which_they_came() {
        let mut pubsub = PubSub::default();
        for name in ["d", "b", "a", "c"] {
            pubsub.subscribe(Topic::Pattern, name.as_bytes(), conn(1));
        }
        pubsub.unsubscribe(Topic::Pattern, b"b", conn(1));
        pubsub.subscribe(Topic::Pattern, b"b", conn(1));
        assert_eq!(pubsub.names_of(Topic::Pattern, conn(1)), [b"d", b"a", b"c", b"b"].map(|name| name.to_vec()));
    }
}
