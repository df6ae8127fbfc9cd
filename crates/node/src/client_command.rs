//! CLIENT: what connections there are, and what may be done to them.

use base::Time;
use commands::{Categories, Error, Flags, Meta, Outcome, Row, int, is};
use resp::{Args, Protocol};

use crate::client::{Blocked, Client, ConnId, Kind, ReplyMode};
use crate::node::Node;
use crate::pubsub::container;
use crate::table::{ServerFn, ServerRow};

/// The commands of this group.
pub const ROWS: &[ServerRow] = &[CLIENT];

const COMMON: Flags = Flags::LOADING.with(Flags::NOSCRIPT).with(Flags::STALE);
const OPERATOR: Flags = COMMON.with(Flags::ADMIN);

/// One subcommand of CLIENT.
const fn sub(
    name: &'static str,
    since: &'static str,
    arity: i8,
    flags: Flags,
    summary: &'static str,
    usage: &'static str,
    run: ServerFn,
) -> ServerRow {
    let meta =
        Meta::new("connection", since, arity, flags).about(summary, "O(1)").acl(Categories::CONNECTION).usage(usage);
    Row { name, meta, run, subcommands: &[] }
}

/// A row with hints for clients.
const fn with_tips(mut row: ServerRow, tips: &'static [&'static str]) -> ServerRow {
    row.meta = row.meta.tips(tips);
    row
}

const CHANGING: &[&str] = &["nondeterministic_output"];
const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

/// The container.
const CLIENT: ServerRow = Row {
    name: "client",
    meta: Meta::new("connection", "2.4.0", -2, Flags::NONE)
        .about("Shows and manages connections.", "Depends on the subcommand."),
    run: container,
    subcommands: &[
        sub("id", "5.0.0", 2, COMMON, "Replies the id of the connection.", "", id),
        with_tips(sub("info", "6.2.0", 2, COMMON, "Describes the connection.", "", info), CHANGING),
        with_tips(sub("list", "2.4.0", -2, OPERATOR, "Describes connections.", LIST_USAGE, list), CHANGING),
        sub("kill", "2.4.0", -3, OPERATOR, "Closes connections.", KILL_USAGE, kill),
        with_tips(
            sub("setname", "2.6.9", 3, COMMON, "Names the connection.", "connection-name:string", set_name),
            EVERYWHERE,
        ),
        sub("getname", "2.6.9", 2, COMMON, "Replies the name of the connection.", "", get_name),
        with_tips(
            sub("setinfo", "7.2.0", 4, COMMON, "Tells which library the client uses.", SETINFO_USAGE, set_info),
            EVERYWHERE,
        ),
        sub(
            "pause",
            "3.0.0",
            -3,
            OPERATOR,
            "Holds commands back for a time.",
            "timeout:integer [mode<WRITE | ALL>^6.2.0]",
            pause,
        ),
        sub("unpause", "6.2.0", 2, OPERATOR, "Ends a pause.", "", unpause),
        sub("reply", "3.2.0", 3, COMMON, "Turns replies on or off.", "action<ON | OFF | SKIP>", reply_mode),
        sub(
            "no-evict",
            "7.0.0",
            3,
            OPERATOR,
            "Spares the connection when clients use too much memory.",
            "enabled<ON | OFF>",
            no_evict,
        ),
        sub("no-touch", "7.2.0", 3, COMMON, "Keeps reads from renewing idle times.", "enabled<ON | OFF>", no_touch),
        sub("unblock", "5.0.0", -3, OPERATOR, "Wakes a blocked connection.", UNBLOCK_USAGE, unblock),
        sub("help", "5.0.0", 2, Flags::LOADING.with(Flags::STALE), "Lists the subcommands.", "", help),
    ],
};

const LIST_USAGE: &str = "[TYPE=client-type<NORMAL | MASTER | REPLICA | PUBSUB>^5.0.0] [ID=client-id:integer^6.2.0...]";
const KILL_USAGE: &str = "filter<old-format:string'ip:port'~2.8.12 | new-format<[ID=client-id:integer^2.8.12] | \
[TYPE=client-type<NORMAL^2.8.12 | MASTER^3.2.0 | SLAVE^2.8.12 | REPLICA^5.0.0 | PUBSUB^2.8.12>^2.8.12] | \
[USER=username:string] | [ADDR=addr:string'ip:port'] | [LADDR=laddr:string'ip:port'^6.2.0] | \
[SKIPME=skipme<YES | NO>]>...>";
const SETINFO_USAGE: &str = "attr<LIB-NAME=libname:string | LIB-VER=libver:string>";
const UNBLOCK_USAGE: &str = "client-id:integer [unblock-type<TIMEOUT | ERROR>]";

fn id(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    node.reply(conn).int(conn.id as i64);
    Ok(())
}

fn info(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    let mut text = describe(node, &node.clients[conn]);
    text.push(b'\n');
    node.reply(conn).verbatim(b"txt", &text);
    Ok(())
}

/// What CLIENT LIST and CLIENT KILL choose by type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ClientType {
    Normal,
    Master,
    Replica,
    Pubsub,
}

impl ClientType {
    fn parse(word: &[u8]) -> Result<ClientType, Error> {
        if is(word, "NORMAL") {
            Ok(ClientType::Normal)
        } else if is(word, "MASTER") || is(word, "PRIMARY") {
            Ok(ClientType::Master)
        } else if is(word, "REPLICA") || is(word, "SLAVE") {
            Ok(ClientType::Replica)
        } else if is(word, "PUBSUB") {
            Ok(ClientType::Pubsub)
        } else {
            Err(Error::owned(format!("ERR Unknown client type '{}'", String::from_utf8_lossy(word))))
        }
    }

    fn fits(self, client: &Client) -> bool {
        match self {
            ClientType::Normal => client.kind == Kind::Normal && !client.is_subscriber(),
            ClientType::Pubsub => client.kind == Kind::Normal && client.is_subscriber(),
            ClientType::Replica => client.kind == Kind::Replica,
            ClientType::Master => client.kind == Kind::Master,
        }
    }
}

fn list(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let mut wanted_type = None;
    let mut wanted_ids = None;
    if args.len() == 4 && is(&args[2], "TYPE") {
        wanted_type = Some(ClientType::parse(&args[3])?);
    } else if args.len() > 3 && is(&args[2], "ID") {
        let ids: Option<Vec<i64>> = args.tail(3).iter().map(base::numbers::parse_i64).collect();
        wanted_ids = Some(ids.ok_or(Error::text("ERR Invalid client ID"))?);
    } else if args.len() != 2 {
        return Err(Error::Syntax);
    }
    let mut text = Vec::new();
    let link = node.upstream_client();
    for client in link.iter().chain(node.clients.iter()) {
        let fits = wanted_type.is_none_or(|wanted| wanted.fits(client))
            && wanted_ids.as_ref().is_none_or(|ids| ids.contains(&(client.id.id as i64)));
        if fits {
            text.extend_from_slice(&describe(node, client));
            text.push(b'\n');
        }
    }
    node.reply(conn).verbatim(b"txt", &text);
    Ok(())
}

/// One line of CLIENT LIST, without its end.
pub(crate) fn describe(node: &Node, client: &Client) -> Vec<u8> {
    let [channels, patterns, shards] = client.subscriptions;
    let multi = client.transaction.as_ref().map_or(-1, |transaction| transaction.queued.len() as i64);
    let multi_mem = client.transaction.as_ref().map_or(0, |transaction| transaction.bytes);
    let outbox = client.untaken_bytes();
    let command = client.last_command.map_or("NULL", |id| &node.table.get(id).full_name);
    // The master may do everything, and what it sent in part waits elsewhere.
    let (user, waiting) = match client.kind {
        Kind::Master => ("(superuser)", node.replication.apply.pending.len()),
        Kind::Normal | Kind::Replica => ("default", client.input_bytes()),
    };
    let resp = if client.proto == Protocol::Resp3 { 3 } else { 2 };
    let mut line = format!(
        "id={} addr={} laddr={} fd={} name=",
        client.id.id, client.peer.addr, client.peer.laddr, client.peer.fd
    )
    .into_bytes();
    line.extend_from_slice(&client.name);
    line.extend_from_slice(
        format!(
            " age={} idle={} flags={} db={} sub={channels} psub={patterns} ssub={shards} multi={multi} watch={} \
             qbuf={} qbuf-free={} argv-mem=0 multi-mem={multi_mem} rbs=0 rbp=0 obl={} oll=0 omem={outbox} tot-mem={} \
             events={} cmd={command} user={user} redir=-1 resp={resp} lib-name=",
            node.now.seconds_since(client.connected_at),
            node.now.seconds_since(client.active_at),
            flag_letters(client),
            client.db,
            client.watching.len(),
            waiting,
            client.input_memory().saturating_sub(client.input_bytes()),
            client.outbox.len(),
            client.memory_bytes(),
            if client.outbox.is_empty() { "r" } else { "rw" },
        )
        .as_bytes(),
    );
    line.extend_from_slice(&client.lib_name);
    line.extend_from_slice(b" lib-ver=");
    line.extend_from_slice(&client.lib_ver);
    line.extend_from_slice(
        format!(" tot-net-in={} tot-net-out={} tot-cmds={}", client.bytes_in, client.bytes_out, client.commands)
            .as_bytes(),
    );
    line
}

fn flag_letters(client: &Client) -> String {
    let letters = [
        (client.kind == Kind::Replica, 'S'),
        (client.kind == Kind::Master, 'M'),
        (client.monitor, 'O'),
        (client.is_subscriber(), 'P'),
        (client.transaction.is_some(), 'x'),
        (client.blocked.is_some(), 'b'),
        (client.watch_broken, 'd'),
        (client.close_after_reply, 'c'),
        (client.peer.unix, 'U'),
        (client.no_evict, 'e'),
        (client.no_touch, 'T'),
    ];
    let text: String = letters.iter().filter(|(set, _)| *set).map(|(_, letter)| letter).collect();
    if text.is_empty() { "N".to_owned() } else { text }
}

/// Which connections CLIENT KILL closes: all filters must fit.
#[derive(Default)]
struct KillFilter {
    id: Option<u64>,
    kind: Option<ClientType>,
    addr: Option<Vec<u8>>,
    laddr: Option<Vec<u8>>,
    user: Option<Vec<u8>>,
    age_min: Option<u64>,
    skip_me: bool,
}

impl KillFilter {
    fn parse(args: &Args<'_>) -> Result<KillFilter, Error> {
        let mut filter = KillFilter { skip_me: true, ..KillFilter::default() };
        let mut at = 2;
        while at < args.len() {
            let value = args.get(at + 1).ok_or(Error::Syntax)?;
            let option = &args[at];
            if is(option, "ID") {
                let id = base::numbers::parse_i64(value).filter(|id| *id > 0);
                filter.id = Some(id.ok_or(Error::text("ERR client-id should be greater than 0"))? as u64);
            } else if is(option, "TYPE") {
                filter.kind = Some(ClientType::parse(value)?);
            } else if is(option, "ADDR") {
                filter.addr = Some(value.to_vec());
            } else if is(option, "LADDR") {
                filter.laddr = Some(value.to_vec());
            } else if is(option, "USER") {
                if value != b"default" {
                    return Err(Error::owned(format!("ERR No such user '{}'", String::from_utf8_lossy(value))));
                }
                filter.user = Some(value.to_vec());
            } else if is(option, "MAXAGE") {
                let age = base::numbers::parse_i64(value)
                    .ok_or(Error::text("ERR maxage is not an integer or out of range"))?;
                let age = u64::try_from(age).ok().filter(|age| *age > 0);
                filter.age_min = Some(age.ok_or(Error::text("ERR maxage should be greater than 0"))?);
            } else if is(option, "SKIPME") && is(value, "YES") {
                filter.skip_me = true;
            } else if is(option, "SKIPME") && is(value, "NO") {
                filter.skip_me = false;
            } else {
                return Err(Error::Syntax);
            }
            at += 2;
        }
        Ok(filter)
    }

    fn fits(&self, client: &Client, me: ConnId, now: Time) -> bool {
        self.id.is_none_or(|id| client.id.id == id)
            && self.kind.is_none_or(|kind| kind.fits(client))
            && self.addr.as_ref().is_none_or(|addr| client.peer.addr.as_bytes() == addr)
            && self.laddr.as_ref().is_none_or(|addr| client.peer.laddr.as_bytes() == addr)
            && self.user.as_ref().is_none_or(|_| client.authenticated && client.kind != Kind::Master)
            && self.age_min.is_none_or(|age| now.seconds_since(client.connected_at) >= age)
            && !(self.skip_me && client.id == me)
    }
}

fn kill(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let old_form = args.len() == 3;
    let filter = if old_form {
        KillFilter { addr: Some(args[2].to_vec()), ..KillFilter::default() }
    } else {
        KillFilter::parse(args)?
    };
    let victims: Vec<ConnId> =
        node.clients.iter().filter(|client| filter.fits(client, conn, node.now)).map(|client| client.id).collect();
    let link = node.upstream_client().filter(|link| filter.fits(link, conn, node.now));
    if old_form && victims.is_empty() && link.is_none() {
        return Err(Error::text("ERR No such client"));
    }
    let killed = victims.len() + usize::from(link.is_some());
    if link.is_some() {
        node.kill_link();
    }
    for victim in &victims {
        if *victim == conn {
            node.close_after_reply(conn);
        } else {
            node.close_now(*victim);
        }
    }
    if old_form {
        node.reply(conn).simple("OK");
    } else {
        node.reply(conn).int(killed as i64);
    }
    Ok(())
}

fn set_name(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    node.set_client_name(conn, &args[2])?;
    node.reply(conn).simple("OK");
    Ok(())
}

/// Names stand in the lines of CLIENT LIST, so they must be printable and without spaces.
fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|b| (b'!'..=b'~').contains(b))
}

impl Node {
    /// Names a connection.
    pub(crate) fn set_client_name(&mut self, conn: ConnId, name: &[u8]) -> Result<(), Error> {
        if !is_plain(name) {
            return Err(Error::text("ERR Client names cannot contain spaces, newlines or special characters."));
        }
        self.clients[conn].name = name.to_vec();
        Ok(())
    }
}

fn get_name(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    let name = node.clients[conn].name.clone();
    if name.is_empty() {
        node.reply(conn).null();
    } else {
        node.reply(conn).bulk(&name);
    }
    Ok(())
}

fn set_info(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let (option, value) = (&args[2], &args[3]);
    let client = &mut node.clients[conn];
    let slot = if is(option, "LIB-NAME") {
        &mut client.lib_name
    } else if is(option, "LIB-VER") {
        &mut client.lib_ver
    } else {
        return Err(Error::owned(format!("ERR Unrecognized option '{}'", String::from_utf8_lossy(option))));
    };
    if !is_plain(value) {
        let name = String::from_utf8_lossy(option);
        return Err(Error::owned(format!("ERR {name} cannot contain spaces, newlines or special characters.")));
    }
    *slot = value.to_vec();
    node.reply(conn).simple("OK");
    Ok(())
}

fn pause(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    if args.len() > 4 {
        return Err(crate::help::wrong_arguments(args));
    }
    let all = match args.get(3) {
        None => true,
        Some(word) if is(word, "ALL") => true,
        Some(word) if is(word, "WRITE") => false,
        Some(_) => return Err(Error::text("ERR CLIENT PAUSE mode must be WRITE or ALL")),
    };
    let timeout =
        base::numbers::parse_i64(&args[2]).ok_or(Error::text("ERR timeout is not an integer or out of range"))?;
    let timeout = u64::try_from(timeout).map_err(|_| Error::text("ERR timeout is negative"))?;
    if node.unix.0.checked_add_unsigned(timeout).is_none() {
        return Err(Error::text("ERR timeout is out of range"));
    }
    let until = node.now + std::time::Duration::from_millis(timeout);
    // A second pause may make the first one longer or stricter, never shorter or laxer.
    node.pause.until = Some(node.pause.until.map_or(until, |before| before.max(until)));
    node.pause.all |= all;
    node.reply(conn).simple("OK");
    Ok(())
}

fn unpause(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    node.end_pause();
    node.reply(conn).simple("OK");
    Ok(())
}

fn reply_mode(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let mode = if is(&args[2], "ON") {
        ReplyMode::On
    } else if is(&args[2], "OFF") {
        ReplyMode::Off
    } else if is(&args[2], "SKIP") {
        ReplyMode::SkipNext
    } else {
        return Err(Error::Syntax);
    };
    let client = &mut node.clients[conn];
    if mode == ReplyMode::SkipNext && client.reply_mode == ReplyMode::Off {
        return Ok(());
    }
    client.reply_mode = mode;
    if mode == ReplyMode::On {
        node.reply(conn).simple("OK");
    }
    Ok(())
}

fn on_or_off(word: &[u8]) -> Result<bool, Error> {
    if is(word, "ON") {
        Ok(true)
    } else if is(word, "OFF") {
        Ok(false)
    } else {
        Err(Error::Syntax)
    }
}

fn no_evict(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    node.clients[conn].no_evict = on_or_off(&args[2])?;
    node.reply(conn).simple("OK");
    Ok(())
}

fn no_touch(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    node.clients[conn].no_touch = on_or_off(&args[2])?;
    node.reply(conn).simple("OK");
    Ok(())
}

fn unblock(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    if args.len() > 4 {
        return Err(crate::help::wrong_arguments(args));
    }
    let with_error = match args.get(3) {
        None => false,
        Some(word) if is(word, "TIMEOUT") => false,
        Some(word) if is(word, "ERROR") => true,
        Some(_) => return Err(Error::text("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
    };
    let wanted = int(&args[2])?;
    let target = node.clients.iter().find(|client| client.id.id as i64 == wanted);
    let found = match target.map(|client| (client.id, client.blocked)) {
        Some((target, Some(Blocked::Wait { .. }))) => {
            node.end_wait(target, with_error);
            true
        }
        Some((target, Some(Blocked::Keys))) => {
            node.end_key_wait(target, with_error.then_some(b"UNBLOCKED client unblocked via CLIENT UNBLOCK"));
            true
        }
        _ => false,
    };
    node.reply(conn).int(i64::from(found));
    Ok(())
}

fn help(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    crate::help::reply(
        node,
        conn,
        "CLIENT",
        &[
            ("GETNAME", "Return the name of this connection."),
            ("ID", "Return the id of this connection."),
            ("INFO", "Describe this connection."),
            ("KILL <ip:port>", "Close the connection from that address."),
            (
                "KILL <option> <value> [<option> <value> [...]]",
                "Close the connections that fit all options: ADDR, LADDR, ID, TYPE (NORMAL|MASTER|REPLICA|PUBSUB), USER, MAXAGE, SKIPME (YES|NO).",
            ),
            ("LIST [options ...]", "Describe connections, all or those of TYPE <type> or ID <id> [<id> ...]."),
            ("NO-EVICT (ON|OFF)", "Spare this connection when clients use too much memory."),
            ("NO-TOUCH (ON|OFF)", "Keep the reads of this connection from renewing idle times."),
            ("PAUSE <timeout> [WRITE|ALL]", "Hold all commands, or only writes, back for so many milliseconds."),
            ("REPLY (ON|OFF|SKIP)", "Turn the replies to this connection on or off."),
            ("SETINFO <option> <value>", "Tell LIB-NAME or LIB-VER, the library that the client uses."),
            ("SETNAME <name>", "Name this connection."),
            ("UNBLOCK <clientid> [TIMEOUT|ERROR]", "Wake a blocked connection."),
            ("UNPAUSE", "End a pause."),
        ],
    )
}
