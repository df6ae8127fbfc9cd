//! What several connections have sent in one turn. Requests are taken in groups that name a few dozen keys; all of a group is
//! looked at before its first request runs, so that the keys are on their way from memory meanwhile. What was parsed for that
//! runs without being parsed again, if its client may still send it.

use resp::{Args, ArgsBuf, ParseLimits, Parsed, RequestParser};

use crate::client::ConnId;
use crate::node::Node;
use crate::table::CommandId;

/// An input longer than this is no single small request: its own requests are parsed ahead when its turn comes.
const SINGLE_BYTES_MAX: usize = 1024;

/// A group of requests is closed by the one with which it has this many keys. Of one request no more than this many are fetched,
/// so a group has less than twice as many; more would push each other out of the cache.
const KEYS_MAX: usize = 64;

/// For a look at the inputs of several connections.
#[derive(Default)]
pub(crate) struct Glance {
    parser: RequestParser,
    limits: ParseLimits,
    /// One for each input that was looked at, in order; more may stand behind them.
    seen: Vec<Seen>,
    /// What was fetched: the database and the hash of each key.
    hashes: Vec<(usize, u64)>,
}

/// What was found in an input.
#[derive(Default)]
struct Seen {
    args: ArgsBuf,
    id: Option<CommandId>,
    /// It is one request and nothing else.
    is_single: bool,
}

impl Node {
    /// Bytes arrived on these connections. Runs every whole request among them, one connection after the other.
    pub fn handle_inputs<'a>(&mut self, mut inputs: impl ExactSizeIterator<Item = (ConnId, &'a [u8])> + Clone) {
        if inputs.len() < 2 {
            for (conn, bytes) in inputs {
                self.handle_input(conn, bytes);
            }
            return;
        }
        let mut glance = self.glance.take().unwrap_or_default();
        let mut unseen = inputs.clone();
        while unseen.len() > 0 {
            let count = self.look_at(&mut glance, &mut unseen);
            self.share_turn(true);
            for (seen, (conn, bytes)) in glance.seen.iter().zip(inputs.by_ref().take(count)) {
                if seen.is_single && self.takes_next(conn, &glance.limits) {
                    self.handle_single(conn, bytes, &seen.args.view(bytes), seen.id);
                } else {
                    self.handle_input(conn, bytes);
                }
            }
            self.share_turn(false);
        }
        self.glance = Some(glance);
    }

    /// Looks at the next group of inputs and fetches its keys; returns how many inputs it has.
    fn look_at<'a>(
        &self,
        glance: &mut Glance,
        inputs: &mut impl ExactSizeIterator<Item = (ConnId, &'a [u8])>,
    ) -> usize {
        let Node { clients, table, keyspace, config, .. } = self;
        let Glance { parser, limits, seen, hashes } = glance;
        *limits = ParseLimits { bulk_max: config.proto_max_bulk_len, unauthenticated: false };
        hashes.clear();
        if seen.len() < inputs.len() {
            seen.resize_with(inputs.len(), Seen::default);
        }
        let mut count = 0;
        // Clients that ask together often ask for the same.
        let mut last: Option<(&[u8], CommandId)> = None;
        for (seen, (conn, bytes)) in seen.iter_mut().zip(inputs) {
            count += 1;
            seen.is_single = false;
            let Some(client) = clients.get(conn) else { continue };
            if bytes.len() > SINGLE_BYTES_MAX || !client.inbox.is_empty() || client.parser.is_mid_request() {
                continue;
            }
            let Ok(Parsed::Complete { consumed }) = parser.parse(bytes, &mut seen.args, limits) else {
                parser.restart();
                continue;
            };
            let args = seen.args.view(bytes);
            seen.id = match last {
                Some((name, id)) if name == &args[0] => Some(id),
                _ => table.find_present(&args),
            };
            last = seen.id.filter(|id| table.get(*id).is_known_by_name).map(|id| (args.at(0), id));
            seen.is_single = consumed == bytes.len();
            let Some(keys) = seen.id.and_then(|id| table.get(id).keys) else { continue };
            for at in keys.places(args.len()).take(KEYS_MAX) {
                hashes.push((client.db, keyspace.prefetch(client.db, args.at(at))));
            }
            if hashes.len() >= KEYS_MAX {
                break;
            }
        }
        for (db, hash) in hashes {
            keyspace.prefetch_entry(*db, *hash);
        }
        count
    }

    /// Whether the next bytes of a connection are a request of their own, to be run now, that was parsed as it would be.
    fn takes_next(&self, conn: ConnId, limits: &ParseLimits) -> bool {
        let is_fresh = |client: &crate::client::Client| client.inbox.is_empty() && !client.parser.is_mid_request();
        self.may_run(conn) && is_fresh(&self.clients[conn]) && self.parse_limits(conn) == *limits
    }

    /// All that arrived on a connection is this request.
    fn handle_single(&mut self, conn: ConnId, bytes: &[u8], args: &Args<'_>, id: Option<CommandId>) {
        self.count_received(conn, bytes.len());
        if !self.handle_request(conn, args, id)
            && let Some(client) = self.clients.get_mut(conn)
        {
            client.inbox.extend_from_slice(bytes); // Looked at again when it may run.
        }
        self.check_received(conn);
    }
}
