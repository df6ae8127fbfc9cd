//! The commands about the connection itself: HELLO, AUTH, PING, ECHO, SELECT, QUIT, RESET.

use commands::{Categories, Error, Flags, Meta, Outcome, Row, int32, is};
use resp::{Args, Protocol};

use crate::client::{ConnId, Kind, ReplyMode};
use crate::node::Node;
use crate::table::{ServerFn, ServerRow};

/// The version that clients are told: the commands and replies are those of this Redis.
pub const REDIS_VERSION: &str = "7.2.4";

/// The commands of this group.
pub const ROWS: &[ServerRow] = &[HELLO, AUTH, PING, ECHO, SELECT, QUIT, RESET];

const EARLY: Flags = Flags::ALLOW_BUSY
    .with(Flags::FAST)
    .with(Flags::LOADING)
    .with(Flags::NO_AUTH)
    .with(Flags::NOSCRIPT)
    .with(Flags::STALE);

/// Chooses the protocol, and may authenticate and name the connection with it.
const HELLO: ServerRow = Row {
    name: "hello",
    meta: Meta::new("connection", "6.0.0", -1, EARLY)
        .about("Chooses RESP2 or RESP3 and tells what server this is.", "O(1)")
        .acl(Categories::CONNECTION)
        .usage(
            "[arguments{protover:integer [AUTH=auth{username:string password:string}] [SETNAME=clientname:string]}]",
        ),
    run: hello as ServerFn,
    subcommands: &[],
};

fn hello(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let proto = match args.get(1) {
        None => None,
        Some(version) => match base::numbers::parse_i64(version) {
            Some(2) => Some(Protocol::Resp2),
            Some(3) => Some(Protocol::Resp3),
            Some(_) => return Err(Error::text("NOPROTO unsupported protocol version")),
            None => return Err(Error::text("ERR Protocol version is not an integer or out of range")),
        },
    };
    let mut auth = None;
    let mut name = None;
    let mut at = 2;
    while at < args.len() {
        if is(&args[at], "AUTH") && at + 2 < args.len() {
            auth = Some((args.at(at + 1), args.at(at + 2)));
            at += 3;
        } else if is(&args[at], "SETNAME") && at + 1 < args.len() {
            name = Some(args.at(at + 1));
            at += 2;
        } else {
            let option = String::from_utf8_lossy(&args[at]);
            return Err(Error::owned(format!("ERR Syntax error in HELLO option '{option}'")));
        }
    }
    if let Some((user, password)) = auth {
        node.authenticate(conn, user, password)?;
    }
    if node.is_locked_out(&node.clients[conn]) {
        return Err(Error::text(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
             <user> <pass> option can be used to authenticate the client and select the RESP protocol version at \
             the same time",
        ));
    }
    if let Some(name) = name {
        node.set_client_name(conn, name)?;
    }
    if let Some(proto) = proto {
        node.clients[conn].proto = proto;
    }
    greet(node, conn);
    Ok(())
}

fn greet(node: &mut Node, conn: ConnId) {
    let role: &[u8] = if node.replication.is_replica() { b"replica" } else { b"master" };
    let mut reply = node.reply(conn);
    let proto = if reply.proto() == Protocol::Resp3 { 3 } else { 2 };
    reply.map(7);
    reply.bulk(b"server");
    reply.bulk(b"redis");
    reply.bulk(b"version");
    reply.bulk(REDIS_VERSION.as_bytes());
    reply.bulk(b"proto");
    reply.int(proto);
    reply.bulk(b"id");
    reply.int(conn.id as i64);
    reply.bulk(b"mode");
    reply.bulk(b"standalone");
    reply.bulk(b"role");
    reply.bulk(role);
    reply.bulk(b"modules");
    reply.array(0);
}

/// Gives the password.
const AUTH: ServerRow = Row {
    name: "auth",
    meta: Meta::new("connection", "1.0.0", -2, EARLY)
        .about("Authenticates the connection.", "O(N) in the number of passwords.")
        .acl(Categories::CONNECTION)
        .usage("[username:string^6.0.0] password:string"),
    run: auth as ServerFn,
    subcommands: &[],
};

fn auth(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    match args.len() {
        2 if !node.config.needs_password() => {
            return Err(Error::text(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                 configuration is correct?",
            ));
        }
        2 => node.authenticate(conn, b"default", &args[1])?,
        3 => node.authenticate(conn, &args[1], &args[2])?,
        _ => return Err(Error::Syntax),
    }
    node.reply(conn).simple("OK");
    Ok(())
}

impl Node {
    /// Lets a connection in, if the user and password are right.
    pub(crate) fn authenticate(&mut self, conn: ConnId, user: &[u8], password: &[u8]) -> Result<(), Error> {
        if user != b"default" || !self.config.accepts_password(password) {
            self.stats.denied_auth += 1;
            return Err(Error::text("WRONGPASS invalid username-password pair or user is disabled."));
        }
        self.clients[conn].authenticated = true;
        Ok(())
    }
}

/// Answers.
const PING: ServerRow = Row {
    name: "ping",
    meta: Meta::new("connection", "1.0.0", -1, Flags::FAST)
        .about("Answers PONG, or what was sent.", "O(1)")
        .acl(Categories::CONNECTION)
        .usage("[message:string]")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    run: ping as ServerFn,
    subcommands: &[],
};

fn ping(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    if args.len() > 2 {
        return Err(Error::text("ERR wrong number of arguments for 'ping' command"));
    }
    let subscribed = node.clients[conn].in_subscribed_context();
    let mut reply = node.reply(conn);
    if subscribed {
        reply.array(2);
        reply.bulk(b"pong");
        reply.bulk(args.get(1).unwrap_or_default());
        return Ok(());
    }
    match args.get(1) {
        None => reply.simple("PONG"),
        Some(message) => reply.bulk(message),
    }
    Ok(())
}

/// Replies what was sent.
const ECHO: ServerRow = Row {
    name: "echo",
    meta: Meta::new("connection", "1.0.0", 2, Flags::FAST.with(Flags::LOADING).with(Flags::STALE))
        .about("Replies what was sent.", "O(1)")
        .acl(Categories::CONNECTION)
        .usage("message:string"),
    run: echo as ServerFn,
    subcommands: &[],
};

fn echo(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    node.reply(conn).bulk_argument(args, 1);
    Ok(())
}

/// Selects a database.
const SELECT: ServerRow = Row {
    name: "select",
    meta: Meta::new("connection", "1.0.0", 2, Flags::FAST.with(Flags::LOADING).with(Flags::STALE))
        .about("Selects the database for the commands that follow.", "O(1)")
        .acl(Categories::CONNECTION)
        .usage("index:integer"),
    run: select as ServerFn,
    subcommands: &[],
};

fn select(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let index = int32(&args[1])?;
    let db = usize::try_from(index).ok().filter(|db| *db < node.keyspace.count()).ok_or(Error::DbIndex)?;
    node.clients[conn].db = db;
    node.reply(conn).simple("OK");
    Ok(())
}

/// Says goodbye.
const QUIT: ServerRow = Row {
    name: "quit",
    meta: Meta::new("connection", "1.0.0", -1, EARLY)
        .about("Closes the connection.", "O(1)")
        .acl(Categories::CONNECTION)
        .deprecated("7.2.0", "just closing the connection"),
    run: quit as ServerFn,
    subcommands: &[],
};

fn quit(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    node.reply(conn).simple("OK");
    node.close_after_reply(conn);
    Ok(())
}

/// Makes the connection as good as new.
const RESET: ServerRow = Row {
    name: "reset",
    meta: Meta::new("connection", "6.2.0", 1, EARLY)
        .about("Gives the connection the state of a new one.", "O(1)")
        .acl(Categories::CONNECTION),
    run: reset as ServerFn,
    subcommands: &[],
};

fn reset(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    if node.clients[conn].kind == Kind::Replica {
        return Err(Error::text("ERR can only reset normal client connections"));
    }
    node.unwatch_all(conn);
    node.unsubscribe_all(conn);
    let authenticated = !node.config.needs_password();
    let client = &mut node.clients[conn];
    client.transaction = None;
    client.proto = Protocol::Resp2;
    client.db = 0;
    client.name = Vec::new();
    client.monitor = false;
    client.no_touch = false;
    client.no_evict = false;
    if client.reply_mode == ReplyMode::Off {
        client.reply_mode = ReplyMode::On;
    }
    client.authenticated = authenticated;
    node.reply(conn).simple("RESET");
    Ok(())
}
