//! The numbers that open a record: value types and opcodes, and what to call those that we cannot read.

use super::target::Family;

pub(super) const STRING: u8 = 0;
pub(super) const LIST: u8 = 1;
pub(super) const SET: u8 = 2;
pub(super) const ZSET: u8 = 3;
pub(super) const HASH: u8 = 4;
pub(super) const ZSET_2: u8 = 5;
pub(super) const HASH_ZIPMAP: u8 = 9;
pub(super) const LIST_ZIPLIST: u8 = 10;
pub(super) const SET_INTSET: u8 = 11;
pub(super) const ZSET_ZIPLIST: u8 = 12;
pub(super) const HASH_ZIPLIST: u8 = 13;
pub(super) const LIST_QUICKLIST: u8 = 14;
pub(super) const STREAM: u8 = 15;
pub(super) const HASH_LISTPACK: u8 = 16;
pub(super) const ZSET_LISTPACK: u8 = 17;
pub(super) const LIST_QUICKLIST_2: u8 = 18;
pub(super) const STREAM_2: u8 = 19;
pub(super) const SET_LISTPACK: u8 = 20;
pub(super) const STREAM_3: u8 = 21;
/// Valkey's number for fields with deadlines; Redis gave it to a form that only candidates of 7.4 wrote.
pub(super) const HASH_TIMED_VALKEY: u8 = 22;
pub(super) const HASH_TIMED_EARLY: u8 = 22;
pub(super) const HASH_TIMED_LISTPACK_EARLY: u8 = 23;
pub(super) const HASH_TIMED: u8 = 24;
pub(super) const HASH_TIMED_LISTPACK: u8 = 25;

/// The form of a node of a quicklist of type 18: one element as it is.
pub(super) const NODE_PLAIN: u64 = 1;
/// The form of a node of a quicklist of type 18: a listpack.
pub(super) const NODE_PACKED: u64 = 2;

pub(super) const OP_KEY_META_OR_SLOT_IMPORT: u8 = 243;
pub(super) const OP_SLOT_INFO: u8 = 244;
pub(super) const OP_FUNCTION_2: u8 = 245;
pub(super) const OP_FUNCTION_PRE_GA: u8 = 246;
pub(super) const OP_MODULE_AUX: u8 = 247;
pub(super) const OP_IDLE: u8 = 248;
pub(super) const OP_FREQUENCY: u8 = 249;
pub(super) const OP_AUX: u8 = 250;
pub(super) const OP_RESIZE_DB: u8 = 251;
pub(super) const OP_EXPIRE_MS: u8 = 252;
pub(super) const OP_EXPIRE_S: u8 = 253;
pub(super) const OP_SELECT_DB: u8 = 254;
pub(super) const OP_EOF: u8 = 255;

/// Whether values of this type are read here.
pub(super) fn is_readable(type_number: u8, family: Family) -> bool {
    matches!(type_number, STRING..=ZSET_2 | HASH_ZIPMAP..=STREAM_3)
        || match family {
            Family::Redis => matches!(type_number, HASH_TIMED_EARLY..=HASH_TIMED_LISTPACK),
            Family::Valkey => type_number == HASH_TIMED_VALKEY,
        }
}

/// What a type that is not read here holds, in words; None if no server of this family ever wrote it.
pub(super) fn unreadable_name(type_number: u8, _family: Family) -> Option<&'static str> {
    match type_number {
        6 | 7 => Some("module value"),
        _ => None,
    }
}
