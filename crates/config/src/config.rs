//! The settings that have an effect, with the defaults of Redis 7.2; what is only remembered stands in `others`.

use std::collections::{BTreeMap, BTreeSet};

use base::EventClass;

use crate::choices::{
    Appendfsync, DisklessLoad, LogLevel, MaxmemoryPolicy, PropagationError, ProtectedAction, Supervised, SyslogFacility,
};
use crate::default_user::DefaultUser;
use crate::directive::{Shown, directives};
use crate::shutdown_flags::ShutdownFlags;

/// Save when so many changes were made and so many seconds have passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SavePoint {
    /// Seconds since the last save.
    pub seconds: u64,
    /// Changes since the last save.
    pub changes: u64,
}

/// A size that may be given as a share of another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BytesOrShare {
    /// In bytes.
    Bytes(u64),
    /// In percent.
    Share(u8),
}

impl BytesOrShare {
    /// The size in bytes, where the whole is this.
    pub fn bytes_of(self, whole: u64) -> u64 {
        match self {
            BytesOrShare::Bytes(bytes) => bytes,
            BytesOrShare::Share(share) => (u128::from(whole) * u128::from(share) / 100) as u64,
        }
    }
}

/// How much may wait for a client, in bytes; 0: any amount.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BufferLimit {
    /// Above this it is closed at once.
    pub hard: u64,
    /// Above this for `soft_seconds` it is closed.
    pub soft: u64,
    /// How long, in seconds.
    pub soft_seconds: u64,
}

/// `client-output-buffer-limit`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientBufferLimits {
    /// Ordinary clients.
    pub normal: BufferLimit,
    /// Replicas.
    pub replica: BufferLimit,
    /// Subscribers.
    pub pubsub: BufferLimit,
}

/// Declares the settings that have an effect: field, type, default. Their names in redis.conf stand in `rows/`.
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $default:expr,)*) => {
        /// The settings of a server. Field names are the directives', with `_` for `-`.
        #[derive(Clone, PartialEq, Debug)]
        #[allow(missing_docs, reason = "each field is documented by the row of the directive it is named after")]
        pub struct Config {
            $($(#[$doc])* pub $name: $type,)*
            /// Directives that are known but have no effect, with what they were given.
            pub(crate) others: BTreeMap<&'static str, Vec<Vec<u8>>>,
            /// Who gets in as the default user.
            pub(crate) default_user: DefaultUser,
            /// What an included file has set, so that REWRITE says it again behind the `include`.
            pub(crate) included: BTreeSet<&'static str>,
        }

        impl Default for Config {
            fn default() -> Config {
                Config {
                    $($name: $default,)*
                    others: BTreeMap::new(),
                    default_user: DefaultUser::default(),
                    included: BTreeSet::new(),
                }
            }
        }
    };
}

settings! {
    bind: Vec<String> = vec!["*".to_owned(), "-::*".to_owned()],
    bind_source_addr: Vec<u8> = Vec::new(),
    port: u16 = 6379,
    unixsocket: Vec<u8> = Vec::new(),
    unixsocketperm: u32 = 0,
    socket_mark_id: u32 = 0,
    tcp_backlog: u32 = 511,
    tcp_keepalive: u64 = 300,
    io_uring: bool = true,
    io_gather_usec: u32 = 100,
    timeout: u64 = 0,
    protected_mode: bool = true,
    maxclients: u32 = 10_000,
    daemonize: bool = false,
    supervised: Supervised = Supervised::No,
    pidfile: Vec<u8> = Vec::new(),
    logfile: Vec<u8> = Vec::new(),
    loglevel: LogLevel = LogLevel::Notice,
    syslog_enabled: bool = false,
    syslog_ident: Vec<u8> = b"redis".to_vec(),
    syslog_facility: SyslogFacility = SyslogFacility::Local0,
    databases: u32 = 16,
    dir: Vec<u8> = b".".to_vec(),
    dbfilename: Vec<u8> = b"dump.rdb".to_vec(),
    save: Vec<SavePoint> = DEFAULT_SAVE.to_vec(),
    stop_writes_on_bgsave_error: bool = true,
    rdbcompression: bool = true,
    rdbchecksum: bool = true,
    rdb_save_incremental_fsync: bool = true,
    rdb_version: Option<u16> = None,
    appendonly: bool = false,
    appendfsync: Appendfsync = Appendfsync::Everysec,
    appendfilename: String = "appendonly.aof".to_owned(),
    appenddirname: String = "appendonlydir".to_owned(),
    no_appendfsync_on_rewrite: bool = false,
    auto_aof_rewrite_percentage: u32 = 100,
    auto_aof_rewrite_min_size: u64 = 64 << 20,
    aof_load_truncated: bool = true,
    replicaof: Option<(String, u16)> = None,
    masteruser: Vec<u8> = Vec::new(),
    masterauth: Vec<u8> = Vec::new(),
    replica_serve_stale_data: bool = true,
    replica_read_only: bool = true,
    replica_guard_empty_master: bool = true,
    replica_priority: u32 = 100,
    replica_announced: bool = true,
    replica_announce_ip: Vec<u8> = Vec::new(),
    replica_announce_port: u16 = 0,
    repl_diskless_sync: bool = true,
    repl_diskless_sync_delay: u64 = 5,
    repl_diskless_sync_max_replicas: u32 = 0,
    repl_diskless_load: DisklessLoad = DisklessLoad::Disabled,
    repl_ping_replica_period: u64 = 10,
    repl_timeout: u64 = 60,
    repl_backlog_size: u64 = 1 << 20,
    repl_backlog_ttl: u64 = 3600,
    repl_backlog_disk_size: Option<u64> = None,
    repl_backlog_seconds: u64 = 0,
    min_replicas_to_write: u32 = 0,
    min_replicas_max_lag: u64 = 10,
    replica_ignore_disk_write_errors: bool = false,
    propagation_error_behavior: PropagationError = PropagationError::Ignore,
    requirepass: Vec<u8> = Vec::new(),
    rename_command: Vec<(Vec<u8>, Vec<u8>)> = Vec::new(),
    enable_debug_command: ProtectedAction = ProtectedAction::No,
    enable_protected_configs: ProtectedAction = ProtectedAction::No,
    maxmemory: u64 = 0,
    maxmemory_policy: MaxmemoryPolicy = MaxmemoryPolicy::Noeviction,
    maxmemory_samples: u32 = 5,
    maxmemory_eviction_tenacity: u32 = 10,
    maxmemory_clients: BytesOrShare = BytesOrShare::Bytes(0),
    lfu_log_factor: u32 = 10,
    lfu_decay_time: u32 = 1,
    replica_ignore_maxmemory: bool = true,
    client_query_buffer_limit: u64 = 1 << 30,
    proto_max_bulk_len: u64 = 512 << 20,
    client_output_buffer_limit: ClientBufferLimits = DEFAULT_BUFFER_LIMITS,
    jemalloc_bg_thread: bool = true,
    lazyfree_lazy_eviction: bool = false,
    lazyfree_lazy_expire: bool = false,
    lazyfree_lazy_server_del: bool = false,
    lazyfree_lazy_user_del: bool = false,
    lazyfree_lazy_user_flush: bool = false,
    hash_max_listpack_entries: u64 = 512,
    hash_max_listpack_value: u64 = 64,
    list_max_listpack_size: i32 = -2,
    list_compress_depth: u32 = 0,
    set_max_intset_entries: u64 = 512,
    set_max_listpack_entries: u64 = 128,
    set_max_listpack_value: u64 = 64,
    zset_max_listpack_entries: u64 = 128,
    zset_max_listpack_value: u64 = 64,
    hll_sparse_max_bytes: u64 = 3000,
    stream_node_max_bytes: u64 = 4096,
    stream_node_max_entries: u64 = 100,
    hz: u32 = 10,
    shutdown_timeout: u64 = 10,
    shutdown_on_sigint: ShutdownFlags = ShutdownFlags::default(),
    shutdown_on_sigterm: ShutdownFlags = ShutdownFlags::default(),
    slowlog_log_slower_than: i64 = 10_000,
    slowlog_max_len: u64 = 128,
    latency_monitor_threshold: u64 = 0,
    latency_tracking: bool = true,
    latency_tracking_info_percentiles: Vec<f64> = vec![50.0, 99.0, 99.9],
    notify_keyspace_events: EventClass = EventClass::default(),
}

const DEFAULT_SAVE: [SavePoint; 3] = [
    SavePoint { seconds: 3600, changes: 1 },
    SavePoint { seconds: 300, changes: 100 },
    SavePoint { seconds: 60, changes: 10_000 },
];

const DEFAULT_BUFFER_LIMITS: ClientBufferLimits = ClientBufferLimits {
    normal: BufferLimit { hard: 0, soft: 0, soft_seconds: 0 },
    replica: BufferLimit { hard: 256 << 20, soft: 64 << 20, soft_seconds: 60 },
    pubsub: BufferLimit { hard: 32 << 20, soft: 8 << 20, soft_seconds: 60 },
};

impl Config {
    /// What the server follows now: the REPLICAOF command changes it, CONFIG SET may not.
    pub fn set_replicaof(&mut self, master: Option<(String, u16)>) {
        self.replicaof = master;
    }

    /// How many bytes of disk may be used for replicas alone; None: they are not served from disk.
    pub fn backlog_disk_bytes(&self) -> Option<u64> {
        const WITH_AOF: u64 = 1 << 30;
        let auto = if self.appendonly { WITH_AOF } else { 0 };
        Some(self.repl_backlog_disk_size.unwrap_or(auto)).filter(|bytes| *bytes > 0)
    }

    /// Whether the default user must give a password.
    pub fn needs_password(&self) -> bool {
        self.default_user.needs_password(&self.requirepass)
    }

    /// Whether the default user gets in with this password.
    pub fn accepts_password(&self, given: &[u8]) -> bool {
        self.default_user.accepts(&self.requirepass, given)
    }

    /// The directives that fit any of these patterns, with their values, each once, in the table's order. A pattern
    /// without a glob is a name, and the answer has it as it was written.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found = Vec::new();
        let mut scratch = self.clone();
        for directive in directives().filter(|directive| directive.shown != Shown::Never) {
            for name in [Some(directive.name), directive.alias].into_iter().flatten() {
                let matching = patterns.iter().find_map(|pattern| {
                    if !pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[')) {
                        return pattern.eq_ignore_ascii_case(name.as_bytes()).then(|| pattern.to_vec());
                    }
                    let fits = directive.shown == Shown::Always && base::glob_match(pattern, name.as_bytes(), true);
                    fits.then(|| name.as_bytes().to_vec())
                });
                if let Some(shown) = matching {
                    found.push((shown, directive.text(&mut scratch)));
                }
            }
        }
        found
    }
}
