//! DEBUG PROTOCOL: one value of each kind that a reply can be, for the tests of client libraries.

use commands::{Error, Outcome};
use resp::{Args, Protocol};

use crate::client::ConnId;
use crate::node::Node;

/// The help of the subcommand.
pub(super) const ABOUT: &str = "Return a value of this kind: string, integer, double, bignum, null, array, set, map, \
attrib, push, verbatim, true or false.";

const BIG: &[u8] = b"1234567999999999999999999999999999999";

/// The double that the peers reply.
#[allow(clippy::approx_constant, reason = "it is what the peers reply, not a circle")]
const PROTOCOL_DOUBLE: f64 = 3.141;

/// An attribute in front of a reply: RESP3 only, and nothing else of ours uses it.
const ATTRIBUTE: &[u8] = b"|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n";

pub(super) fn protocol(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let kind = String::from_utf8_lossy(&args[2]).to_ascii_lowercase();
    let resp3 = node.clients[conn].proto == Protocol::Resp3;
    let mut reply = node.reply(conn);
    match kind.as_str() {
        "string" => reply.bulk(b"Hello World"),
        "integer" => reply.int(12345),
        "double" => reply.double(PROTOCOL_DOUBLE),
        "bignum" => reply.big_number(BIG),
        "null" => reply.null(),
        "array" => {
            reply.array(3);
            (0..3).for_each(|n| reply.int(n));
        }
        "set" => {
            reply.set(3);
            (0..3).for_each(|n| reply.int(n));
        }
        "map" => {
            reply.map(3);
            for n in 0..3 {
                reply.int(n);
                reply.bool(n == 1);
            }
        }
        "attrib" => {
            if resp3 {
                reply.raw(ATTRIBUTE);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        "push" if !resp3 => return Err(Error::text("ERR RESP2 is not supported by this command")),
        "push" => {
            // The push message may not stand before the reply to a request that came earlier.
            reply.bulk(b"Some real reply following the push reply");
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.int(42);
        }
        "verbatim" => reply.verbatim(b"txt", b"This is a verbatim\nstring"),
        "true" => reply.bool(true),
        "false" => reply.bool(false),
        _ => {
            return Err(Error::text(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}
