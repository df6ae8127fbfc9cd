//! All server commands, by group.

use crate::table::ServerRow;

/// All server commands, by group.
pub const GROUPS: &[&[ServerRow]] = &[
    crate::connection::ROWS,
    crate::client_command::ROWS,
    crate::transaction::ROWS,
    crate::pubsub::ROWS,
    crate::persistence::ROWS,
    crate::aof::ROWS,
    crate::shutdown::ROWS,
    crate::replication::ROWS,
    crate::slowlog::ROWS,
    crate::info::ROWS,
    crate::monitor::ROWS,
    crate::command_command::ROWS,
    crate::config_command::ROWS,
    crate::debug::ROWS,
    crate::memory_command::ROWS,
    crate::latency_command::ROWS,
    crate::time_command::ROWS,
    crate::cluster_command::ROWS,
];
