//! Whether keys exist and of what type they are; and deleting them.

use keyspace::Kind;
use resp::Args;

use crate::context::{Context, DataFn, DataRow};
use crate::error::Outcome;
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};
use crate::string::DEL_EVENT;

use super::kind_without_touch;

/// Deletes keys.
pub(super) const DEL: DataRow = Row {
    name: "del",
    meta: Meta::new("generic", "1.0.0", -2, Flags::WRITE)
        .about("Deletes keys.", "O(N) with N keys")
        .acl(Categories::KEYSPACE)
        .keys(&[KeySpec::range(KeyAccess::RM.with(KeyAccess::DELETE), 1, -1, 1)])
        .usage("key:key#0...")
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    run: del as DataFn,
    subcommands: &[],
};

fn del(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let deleted = args.tail(1).iter().filter(|key| ctx.db.remove(key, DEL_EVENT)).count();
    ctx.reply.int(deleted as i64);
    Ok(())
}

/// Deletes keys and leaves freeing their memory to another thread.
pub(super) const UNLINK: DataRow = Row {
    name: "unlink",
    meta: Meta::new("generic", "4.0.0", -2, Flags::FAST.with(Flags::WRITE))
        .about(
            "Deletes keys and leaves freeing their memory to another thread.",
            "O(1) per key; the memory is freed on the side",
        )
        .acl(Categories::KEYSPACE)
        .keys(&[KeySpec::range(KeyAccess::RM.with(KeyAccess::DELETE), 1, -1, 1)])
        .usage("key:key#0...")
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    run: del as DataFn,
    subcommands: &[],
};

/// Counts which of these keys exist, each time it is named.
pub(super) const EXISTS: DataRow = Row {
    name: "exists",
    meta: Meta::new("generic", "1.0.0", -2, Flags::FAST.with(Flags::READONLY))
        .about("Counts which of these keys exist, each time it is named.", "O(N) with N keys")
        .acl(Categories::KEYSPACE)
        .keys(&[KeySpec::range(KeyAccess::RO, 1, -1, 1)])
        .usage("key:key#0...")
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    run: exists as DataFn,
    subcommands: &[],
};

fn exists(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let found = args.tail(1).iter().filter(|key| kind_without_touch(&mut ctx.db, key).is_some()).count();
    ctx.reply.int(found as i64);
    Ok(())
}

/// Renews the idle time of keys; counts those that exist.
pub(super) const TOUCH: DataRow = Row {
    name: "touch",
    meta: Meta::new("generic", "3.2.1", -2, Flags::FAST.with(Flags::READONLY))
        .about("Renews the idle time of keys; counts those that exist.", "O(N) with N keys")
        .acl(Categories::KEYSPACE)
        .keys(&[KeySpec::range(KeyAccess::RO, 1, -1, 1)])
        .usage("key:key#0...")
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    run: touch as DataFn,
    subcommands: &[],
};

fn touch(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let found = args.tail(1).iter().filter(|key| ctx.db.get(key).is_some()).count();
    ctx.reply.int(found as i64);
    Ok(())
}

/// Returns the type of the value that a key holds.
pub(super) const TYPE: DataRow = Row {
    name: "type",
    meta: Meta::new("generic", "1.0.0", 2, Flags::FAST.with(Flags::READONLY))
        .about("Returns the type of the value that a key holds.", "O(1)")
        .acl(Categories::KEYSPACE)
        .keys(&[KeySpec::range(KeyAccess::RO, 1, 0, 1)])
        .usage("key:key#0"),
    run: type_ as DataFn,
    subcommands: &[],
};

fn type_(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let name = kind_without_touch(&mut ctx.db, &args[1]).map_or("none", Kind::name);
    ctx.reply.simple(name);
    Ok(())
}
