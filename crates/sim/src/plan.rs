//! How one run is laid out, all from its seed: how many nodes, which settings, how slow the network, how much goes wrong.

use std::time::Duration;

use config::{Appendfsync, Config};

use crate::host::VOLATILE_KEY_BYTES;
use crate::machine::base_config;
use crate::network::Weather;

/// One run's layout.
pub(crate) struct Plan {
    /// How many servers.
    pub nodes: usize,
    /// How many clients write, then how many only read.
    pub clients: (usize, usize),
    /// The settings of all servers.
    pub config: Config,
    /// The network.
    pub weather: Weather,
    /// The most that a loop takes to notice that something came, in microseconds.
    pub turn_delay_us: u64,
    /// The most that passes between two slices of a full synchronisation, in milliseconds.
    pub sync_slice_ms: u64,
    /// The most that one slice of it writes, in bytes.
    pub sync_write_max: usize,
    /// What passes before a job begins.
    pub job_start: Duration,
    /// The shortest and longest time between two faults, in milliseconds.
    pub fault_ms: (u64, u64),
    /// The most that a client thinks between two batches, in milliseconds.
    pub think_ms: u64,
    /// How far wall clocks are off at most, in milliseconds.
    pub skew_ms: i64,
    /// Values are up to this long, in bytes.
    pub value_bytes_max: usize,
    /// A switch storm of so many steps; None: things go wrong.
    pub switches: Option<u64>,
}

/// How many steps a switch storm has.
const SWITCHES: u64 = 50;

impl Plan {
    /// The layout of a seed.
    pub fn new(rng: &mut fastrand::Rng) -> Plan {
        let slow = rng.u8(..4) == 0;
        let delay_us = if slow { (1_000, 60_000) } else { (20, 2_000) };
        let weather = Weather {
            delay_us,
            window: [2_000, 16_000, 200_000][rng.usize(..3)],
            piece_max: [7, 500, 60_000][rng.usize(..3)],
        };
        Plan {
            nodes: rng.usize(3..=5),
            clients: (rng.usize(2..=4), rng.usize(1..=2)),
            config: settings(rng),
            weather,
            turn_delay_us: [100, 3_000][rng.usize(..2)],
            sync_slice_ms: [1, 20, 100][rng.usize(..3)],
            sync_write_max: [300, 4_000, 100_000][rng.usize(..3)],
            job_start: Duration::from_micros(rng.u64(1..20_000)),
            fault_ms: [(100, 1_000), (300, 3_000), (2_000, 8_000)][rng.usize(..3)],
            think_ms: [20, 100, 400][rng.usize(..3)],
            skew_ms: [0, 0, 5_000][rng.usize(..3)],
            value_bytes_max: [10, 100, 1_000, 5_000][rng.usize(..4)],
            switches: None,
        }
    }

    /// The layout of a switch storm: five nodes, whose links hold, with live writers.
    pub fn storm(rng: &mut fastrand::Rng) -> Plan {
        let mut plan = Plan::new(rng);
        plan.nodes = 5;
        plan.clients = (3, 1);
        plan.config.repl_timeout = 60;
        plan.config.repl_backlog_size = 1024 * 1024;
        plan.config.repl_diskless_sync_delay = 0;
        plan.weather.window = plan.weather.window.max(16_000);
        plan.fault_ms = [(20, 200), (50, 400), (200, 800)][rng.usize(..3)];
        plan.think_ms = 300;
        plan.value_bytes_max = plan.value_bytes_max.min(100);
        plan.switches = Some(SWITCHES);
        plan
    }

    /// A layout without chance in its settings, where nothing goes wrong by itself and nobody writes: for scripts.
    pub fn calm(nodes: usize) -> Plan {
        let mut config = base_config();
        config.repl_timeout = 60;
        config.repl_diskless_sync_delay = 0;
        Plan {
            nodes,
            clients: (0, 0),
            config,
            weather: Weather { delay_us: (100, 300), window: 100_000, piece_max: 20 },
            turn_delay_us: 50,
            sync_slice_ms: 5,
            sync_write_max: 1_000,
            job_start: Duration::from_millis(1),
            fault_ms: (1_000_000, 1_000_000),
            think_ms: 100,
            skew_ms: 0,
            value_bytes_max: 10,
            switches: None,
        }
    }
}

fn settings(rng: &mut fastrand::Rng) -> Config {
    let mut config = base_config();
    config.repl_timeout = rng.u64(3..=12);
    config.repl_ping_replica_period = rng.u64(1..=5);
    config.repl_backlog_size = [16 * 1024, 64 * 1024, 1024 * 1024][rng.usize(..3)];
    config.repl_backlog_ttl = [0, 5, 3600][rng.usize(..3)];
    config.repl_diskless_sync = rng.bool();
    config.repl_diskless_sync_delay = rng.u64(0..=2);
    config.appendonly = rng.bool();
    config.appendfsync = [Appendfsync::Always, Appendfsync::Everysec, Appendfsync::No][rng.usize(..3)];
    config.auto_aof_rewrite_min_size = [20_000, 64 << 20][rng.usize(..2)];
    config.hz = [10, 100][rng.usize(..2)];
    config.rdbcompression = rng.bool();
    if rng.bool() {
        config.save = vec![config::SavePoint { seconds: rng.u64(1..=5), changes: rng.u64(1..=50) }];
        config.stop_writes_on_bgsave_error = rng.bool();
        // A replica whose saves fail would end itself, and who starts it again is not simulated.
        config.replica_ignore_disk_write_errors = true;
    }
    // Small limits, so that the large encodings are met too.
    if rng.bool() {
        config.hash_max_listpack_entries = 4;
        config.set_max_listpack_entries = 4;
        config.set_max_intset_entries = 4;
        config.zset_max_listpack_entries = 4;
        config.list_max_listpack_size = 4;
    }
    if rng.u8(..3) == 0 {
        use config::MaxmemoryPolicy::{VolatileLfu, VolatileLru, VolatileRandom, VolatileTtl};
        config.maxmemory_policy = [VolatileLfu, VolatileLru, VolatileRandom, VolatileTtl][rng.usize(..4)];
        config.maxmemory = VOLATILE_KEY_BYTES * rng.u64(0..20) + 1;
        config.lazyfree_lazy_eviction = rng.bool();
    }
    config
}
