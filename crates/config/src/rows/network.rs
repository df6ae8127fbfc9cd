//! Addresses, ports, connections, and who may use them.

use super::{I32, I64, U32};
use crate::directive::{Directive, Kind};
use crate::field::Field;

const NO_MULTIPATH: &str = "multipath TCP is not used";
const NO_RDMA: &str = "there is no RDMA transport";
const ONE_LOOP: &str = "one thread serves all sockets";

pub(super) const ROWS: &[Directive] = &[
    // The addresses to listen on; one with a `-` in front may be missing.
    Directive::honoured("bind", |c| Field::Addresses(&mut c.bind)),
    // The address to connect to a master from.
    Directive::honoured("bind-source-addr", |c| Field::Text(&mut c.bind_source_addr)),
    // The TCP port; 0: none.
    Directive::honoured("port", |c| Field::Number(&mut c.port)).range(0, 65535),
    // The socket file, and its mode.
    Directive::honoured("unixsocket", |c| Field::Text(&mut c.unixsocket)).immutable(),
    Directive::honoured("unixsocketperm", |c| Field::Octal(&mut c.unixsocketperm)).immutable(),
    Directive::accepted("unixsocketgroup", Kind::Text, "", "the socket file keeps the group of the process")
        .immutable(),
    // Connections that wait to be accepted.
    Directive::honoured("tcp-backlog", |c| Field::Number(&mut c.tcp_backlog)).range(0, I32).immutable(),
    // Seconds of silence after which a client is probed; 0: never.
    Directive::honoured("tcp-keepalive", |c| Field::Number(&mut c.tcp_keepalive)).range(0, I32),
    // Seconds of silence after which a client is closed; 0: never.
    Directive::honoured("timeout", |c| Field::Number(&mut c.timeout)).range(0, I32),
    // Without a password only this machine is let in.
    Directive::honoured("protected-mode", |c| Field::Bool(&mut c.protected_mode)),
    Directive::honoured("maxclients", |c| Field::Number(&mut c.maxclients)).range(1, U32),
    // The password of the default user.
    Directive::honoured("requirepass", |c| Field::Text(&mut c.requirepass)),
    // Limits of what a client may send, and of what may wait for it.
    Directive::honoured("client-query-buffer-limit", |c| Field::Number(&mut c.client_query_buffer_limit))
        .bytes(1 << 20, I64),
    Directive::honoured("proto-max-bulk-len", |c| Field::Number(&mut c.proto_max_bulk_len)).bytes(1 << 20, I64),
    Directive::honoured("client-output-buffer-limit", |c| Field::BufferLimits(&mut c.client_output_buffer_limit))
        .bytes(0, I64),
    // Our own: whether sockets are waited for, and short replies sent, through io_uring, where the system has it.
    Directive::honoured("io-uring", |c| Field::Bool(&mut c.io_uring)).immutable(),
    // Our own: for how many microseconds a busy loop waits for more sockets to be ready; 0: it never does.
    Directive::honoured("io-gather-usec", |c| Field::Number(&mut c.io_gather_usec)).range(0, 10_000),
    Directive::accepted("io-threads", Kind::Number, "1", ONE_LOOP).range(1, 256).immutable(),
    Directive::accepted("io-threads-do-reads", Kind::Bool, "no", ONE_LOOP).immutable(),
    Directive::accepted("events-per-io-thread", Kind::Number, "2", ONE_LOOP).range(0, I32),
    Directive::accepted("prefetch-batch-max-size", Kind::Number, "16", ONE_LOOP).range(0, 128),
    Directive::accepted(
        "max-new-connections-per-cycle",
        Kind::Number,
        "10",
        "a turn of the loop has a bound of its own",
    )
    .range(1, 1000),
    Directive::accepted("max-new-tls-connections-per-cycle", Kind::Number, "1", "there is no TLS yet").range(1, 1000),
    // The mark of the sockets that are listened on, for the system's packet filter; 0: none.
    Directive::honoured("socket-mark-id", |c| Field::Number(&mut c.socket_mark_id)).range(0, U32).immutable(),
    Directive::accepted("mptcp", Kind::Bool, "no", NO_MULTIPATH).immutable(),
    Directive::accepted("repl-mptcp", Kind::Bool, "no", NO_MULTIPATH).immutable(),
    Directive::accepted("rdma-bind", Kind::Words, "", NO_RDMA).keeps_empty(),
    Directive::refused("rdma-port", "0", NO_RDMA).range(0, 65535),
    Directive::accepted("rdma-rx-size", Kind::Number, "1048576", NO_RDMA).range(65536, 16 << 20).immutable(),
    Directive::accepted("rdma-completion-vector", Kind::Number, "-1", NO_RDMA).range(-1, 1024).immutable(),
];
