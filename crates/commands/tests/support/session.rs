//! A server without a server: a keyspace, the commands, and a second keyspace that applies the stream.

use base::UnixMs;
use collections::{Stream, StreamId};
use commands::{Context, DataRow, Error, GROUPS};
use keyspace::{Db, Effects, ExpiryMode, Keyspace, Settings, Touched};
use resp::{Outbox, OwnedArgs, Protocol, Reply};

use super::script::{Command, Mode, payload, quoted, split};

const DATABASES: usize = 16;

/// One client's session with an empty server.
pub struct Session {
    keyspace: Keyspace,
    replica: Keyspace,
    now: UnixMs,
    db: usize,
    rng: fastrand::Rng,
}

impl Session {
    /// An empty server on a day in 2025.
    pub fn new() -> Session {
        let keyspace = Keyspace::new(DATABASES, [1, 2], Settings::default());
        let replica = Keyspace::new(DATABASES, [3, 4], Settings::default());
        Session { keyspace, replica, now: UnixMs(1_750_000_000_123), db: 0, rng: fastrand::Rng::with_seed(1) }
    }

    /// Lets time pass.
    pub fn pass(&mut self, ms: i64) {
        self.now.0 += ms;
    }

    /// Moves to the start of a second before a command that names one, as the recorder does.
    pub fn align(&mut self, command: &Command) {
        if command.text.contains("{s") {
            self.now.0 = (self.now.0 / 1000 + 1) * 1000;
        }
    }

    /// Changes a setting.
    pub fn configure(&mut self, name: &str, value: &str) {
        let settings = &mut self.keyspace.settings;
        let yes = value == "yes";
        let number = || value.trim_end_matches("mb").parse::<u64>().expect("a number");
        match name {
            "lazyfree-lazy-expire" => settings.lazyfree_lazy_expire = yes,
            "lazyfree-lazy-server-del" => settings.lazyfree_lazy_server_del = yes,
            "lazyfree-lazy-user-del" => settings.lazyfree_lazy_user_del = yes,
            "rdbcompression" => settings.compress_dumps = yes,
            "proto-max-bulk-len" => settings.string_bytes_max = number() * 1024 * 1024,
            "hash-max-listpack-entries" => settings.limits.hash_max_listpack_entries = number() as usize,
            "hash-max-listpack-value" => settings.limits.hash_max_listpack_value = number() as usize,
            "set-max-intset-entries" => settings.limits.set_max_intset_entries = number() as usize,
            "set-max-listpack-entries" => settings.limits.set_max_listpack_entries = number() as usize,
            "set-max-listpack-value" => settings.limits.set_max_listpack_value = number() as usize,
            "zset-max-listpack-entries" => settings.limits.zset_max_listpack_entries = number() as usize,
            "zset-max-listpack-value" => settings.limits.zset_max_listpack_value = number() as usize,
            "hll-sparse-max-bytes" => settings.limits.hll_sparse_max_bytes = number() as usize,
            "stream-node-max-bytes" => settings.limits.stream_node_max_bytes = number() as usize,
            "stream-node-max-entries" => settings.limits.stream_node_max_entries = number() as usize,
            "list-max-listpack-size" => {
                settings.limits.list_max_listpack_size = value.parse().expect("a number");
            }
            _ => panic!("the runner does not know the setting {name}"),
        }
        // The bytes of a HyperLogLog depend on its setting, and are compared with the replica's.
        self.replica.settings = settings.clone();
    }

    /// Replaces the placeholders for moments.
    pub fn concrete(&self, lines: &[String]) -> Vec<String> {
        lines.iter().map(|line| self.fill(line)).collect()
    }

    fn fill(&self, line: &str) -> String {
        let mut out = String::new();
        let mut rest = line;
        while let Some(at) = rest.find('{') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            match rest.split_once('}').and_then(|(inside, behind)| Some((self.moment(inside)?, behind))) {
                Some((moment, behind)) => {
                    out.push_str(&moment.to_string());
                    rest = behind;
                }
                None => out.push('{'),
            }
        }
        out + rest
    }

    fn moment(&self, inside: &str) -> Option<i64> {
        let (base, offset) = match inside.strip_prefix('s') {
            Some(offset) => (self.now.seconds(), offset),
            None => (self.now.0, inside),
        };
        let signed = offset.starts_with(['+', '-']);
        offset.parse::<i64>().ok().filter(|_| signed).map(|offset| base + offset)
    }

    /// Runs a command: its reply, stream and events, a line each.
    pub fn run(&mut self, command: &Command) -> Vec<String> {
        let words = split(&self.fill(&command.text));
        let slices: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        if slices[0].eq_ignore_ascii_case(b"select") {
            self.db = String::from_utf8_lossy(slices[1]).parse().expect("a database");
            return vec!["+OK".to_owned()];
        }
        let mut effects = Effects::default();
        effects.journal_wanted = true;
        effects.touched_wanted = true;
        effects.misses_wanted = true;
        let mut out = Outbox::new();
        let protocol = if command.resp3 { Protocol::Resp3 } else { Protocol::Resp2 };
        let mut reply = Reply::new(&mut out, protocol);
        match find(&slices) {
            Err(error) => reply.error(error.message()),
            Ok(row) => {
                self.keyspace.clock = self.keyspace.clock.at(self.now);
                let args = OwnedArgs::from_slices(&slices);
                effects.begin_command();
                let db = Db::new(&mut self.keyspace, self.db, &mut effects, self.now, ExpiryMode::Delete);
                let mut context = Context { db, reply, rng: &mut self.rng, blocking: commands::Blocking::Refused };
                if let Err(error) = (row.run)(&mut context, &args.as_args()) {
                    context.reply.error(error.message());
                }
                effects.end_command(self.db, slices.iter().copied());
            }
        }
        let mut lines = reply_lines(&out.to_vec(), command.mode);
        self.follow_stream(&effects, &mut lines);
        lines.extend(event_lines(&effects));
        lines
    }

    /// Lists what was journalled, and applies it to the replica.
    fn follow_stream(&mut self, effects: &Effects, lines: &mut Vec<String>) {
        for (db, bytes) in effects.commands() {
            let words = array_words(bytes);
            let slices: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            let db = db.unwrap_or(self.db);
            let shown: Vec<String> = slices.iter().map(|word| quoted(word)).collect();
            lines.push(format!("! {db} {}", shown.join(" ")));
            let row = find(&slices).expect("only known commands are journalled");
            let mut ignored = Effects::default();
            let mut nowhere = Outbox::new();
            let reply = Reply::new(&mut nowhere, Protocol::Resp2);
            let args = OwnedArgs::from_slices(&slices);
            let db = Db::new(&mut self.replica, db, &mut ignored, self.now, ExpiryMode::Ignore);
            let outcome = (row.run)(
                &mut Context { db, reply, rng: &mut self.rng, blocking: commands::Blocking::Refused },
                &args.as_args(),
            );
            outcome.expect("a journalled command succeeds on a replica");
        }
    }

    /// What the replica holds differently in the end.
    pub fn replica_differences(&self) -> Vec<String> {
        (0..DATABASES)
            .filter(|db| contents(&self.keyspace, *db) != contents(&self.replica, *db))
            .map(|db| {
                let (ours, theirs) = (contents(&self.keyspace, db), contents(&self.replica, db));
                let one_sided: Vec<_> = ours
                    .iter()
                    .filter(|item| !theirs.contains(item))
                    .chain(theirs.iter().filter(|item| !ours.contains(item)))
                    .map(|item| item.0.escape_ascii().to_string())
                    .collect();
                format!("database {db} of the replica differs in {one_sided:?}")
            })
            .collect()
    }
}

/// A key, its value as words, and its deadline.
type Item = (Vec<u8>, Vec<Vec<u8>>, Option<UnixMs>);

/// All keys of a database, sorted.
fn contents(keyspace: &Keyspace, db: usize) -> Vec<Item> {
    let mut items = Vec::new();
    keyspace.for_each(db, |key, value, deadline| {
        items.push((key.to_vec(), value_words(value), deadline));
    });
    items.sort();
    items
}

/// A value as comparable words; collections without order are sorted.
fn value_words(value: keyspace::ValueRef<'_>) -> Vec<Vec<u8>> {
    use keyspace::ValueRef;
    let mut words: Vec<Vec<u8>> = match value {
        ValueRef::String(string) => vec![string.as_bytes().into_owned()],
        ValueRef::List(list) => return list.iter().map(|element| element.to_vec()).collect(),
        ValueRef::Set(set) => set.iter().map(|member| member.to_vec()).collect(),
        ValueRef::Hash(hash) => hash
            .entries()
            .map(|entry| format!("{:?}={:?} until {:?}", entry.field, entry.value, entry.deadline).into_bytes())
            .collect(),
        ValueRef::ZSet(zset) => {
            zset.iter().map(|(m, s)| [&m.to_vec()[..], &s.to_bits().to_be_bytes()].concat()).collect()
        }
        ValueRef::Stream(stream) => return stream_words(stream),
    };
    words.sort();
    words
}

/// What a replica must hold of a stream: all but the moments and counts that only the master keeps.
fn stream_words(stream: &Stream) -> Vec<Vec<u8>> {
    let entries = stream.entries();
    let past = (entries.last_id, entries.max_deleted_id, entries.entries_added);
    let mut words = vec![format!("{past:?}").into_bytes()];
    for entry in entries.range(StreamId::MIN, StreamId::MAX) {
        words.push(entry.id.to_string().into_bytes());
        words.extend(entry.fields().flat_map(|(name, value)| [name.to_vec(), value.to_vec()]));
    }
    for (name, group) in stream.groups() {
        words.push(name.to_vec());
        words.push(format!("{} {}", group.last_id, group.entries_read).into_bytes());
        for (id, pending) in group.pending_from(StreamId::MIN) {
            words.push([id.to_string().as_bytes(), b" ", pending.consumer()].concat());
        }
    }
    words
}

/// The row of a request, or the refusal that a server gives before any command runs.
fn find(words: &[&[u8]]) -> Result<&'static DataRow, Error> {
    let name = String::from_utf8_lossy(words[0]).to_ascii_lowercase();
    let row = GROUPS.iter().flat_map(|group| group.iter()).find(|row| row.name == name);
    let row = row.ok_or_else(|| Error::owned(format!("ERR there is no command '{name}'")))?;
    if row.subcommands.is_empty() || words.len() < 2 {
        return check_arity(row, &name, words.len());
    }
    let sub = String::from_utf8_lossy(words[1]).to_ascii_lowercase();
    match row.subcommands.iter().find(|row| row.name == sub) {
        Some(row) => check_arity(row, &format!("{name}|{sub}"), words.len()),
        None => Err(Error::owned(format!(
            "ERR unknown subcommand '{}'. Try {} HELP.",
            String::from_utf8_lossy(words[1]),
            name.to_ascii_uppercase()
        ))),
    }
}

fn check_arity(row: &'static DataRow, name: &str, count: usize) -> Result<&'static DataRow, Error> {
    if row.meta.arity_fits(count) {
        return Ok(row);
    }
    Err(Error::owned(format!("ERR wrong number of arguments for '{name}' command")))
}

fn event_lines(effects: &Effects) -> impl Iterator<Item = String> {
    effects.touched().filter_map(|touched| match touched {
        Touched::Key { db, key, event: Some(event) } | Touched::Unwatched { db, key, event, .. } => {
            Some(format!("@ {db} {} {} {}", event.class.letters(), event.name, quoted(key)))
        }
        _ => None,
    })
}

/// A reply as the recorder writes it.
fn reply_lines(bytes: &[u8], mode: Mode) -> Vec<String> {
    let mut at = 0;
    let mut tree = Node::read(bytes, &mut at);
    assert_eq!(at, bytes.len(), "one command gives one reply");
    match mode {
        Mode::Exact => {}
        Mode::Sorted => {
            // SCAN and its like: the elements are inside.
            let inner = tree.children.len() == 2 && tree.children[1].head.starts_with(['*', '%', '~']);
            let node = if inner { &mut tree.children[1] } else { &mut tree };
            node.children.sort_by_key(Node::lines);
        }
        Mode::Idle => {
            let rows = tree.children.iter_mut();
            rows.filter_map(|row| row.children.get_mut(2)).for_each(|idle| idle.head = ":~".to_owned());
        }
        Mode::Shape => return vec![format!("{}~", &tree.head[..1])],
    }
    tree.lines()
}

/// A reply taken apart.
struct Node {
    head: String,
    payload: Option<Vec<u8>>,
    children: Vec<Node>,
}

impl Node {
    fn read(bytes: &[u8], at: &mut usize) -> Node {
        let end = *at + memchr::memchr(b'\r', &bytes[*at..]).expect("a whole line");
        let head = String::from_utf8_lossy(&bytes[*at..end]).into_owned();
        *at = end + 2;
        let mut node = Node { head, payload: None, children: Vec::new() };
        let Ok(count) = node.head[1..].parse::<usize>() else { return node };
        match node.head.as_bytes()[0] {
            b'$' | b'=' => {
                node.payload = Some(bytes[*at..*at + count].to_vec());
                *at += count + 2;
            }
            b'*' | b'~' | b'>' => node.children = (0..count).map(|_| Node::read(bytes, at)).collect(),
            b'%' => node.children = (0..2 * count).map(|_| Node::read(bytes, at)).collect(),
            _ => {}
        }
        node
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.head.clone()];
        lines.extend(self.payload.as_deref().map(payload));
        self.children.iter().for_each(|child| lines.extend(child.lines()));
        lines
    }
}

/// The words of a RESP array of bulk strings.
fn array_words(bytes: &[u8]) -> Vec<Vec<u8>> {
    let node = Node::read(bytes, &mut 0);
    node.children.into_iter().map(|child| child.payload.expect("bulk strings")).collect()
}
