//! The process: background, log, supervision; and what operators may do.

use super::{I32, I64};
use crate::checks::{locale_collate, proc_title_template};
use crate::directive::{Directive, Kind};
use crate::field::Field;

const NO_TITLE: &str = "the process keeps its name";
const NO_PINNING: &str = "the system chooses the processors";
const ONE_FORMAT: &str = "log lines have one format";
const NO_SCRIPTS: &str = "there are no scripts yet";
const COMMANDLOG: &str = "the slow log is the only command log";

pub(super) const ROWS: &[Directive] = &[
    Directive::honoured("daemonize", |c| Field::Bool(&mut c.daemonize)).immutable(),
    Directive::honoured("supervised", |c| Field::Choice(&mut c.supervised)).immutable(),
    Directive::honoured("pidfile", |c| Field::Text(&mut c.pidfile)).immutable(),
    Directive::honoured("logfile", |c| Field::Text(&mut c.logfile)).immutable().keeps_empty(),
    Directive::honoured("loglevel", |c| Field::Choice(&mut c.loglevel)),
    Directive::honoured("syslog-enabled", |c| Field::Bool(&mut c.syslog_enabled)).immutable(),
    Directive::honoured("syslog-ident", |c| Field::Text(&mut c.syslog_ident)).immutable().keeps_empty(),
    Directive::honoured("syslog-facility", |c| Field::Choice(&mut c.syslog_facility)).immutable(),
    Directive::honoured("databases", |c| Field::Number(&mut c.databases)).range(1, I32).immutable(),
    // How often the timer looks at what happens by itself, per second.
    Directive::honoured("hz", |c| Field::Number(&mut c.hz)).range(0, I32).clamped(1, 500),
    Directive::accepted("dynamic-hz", Kind::Bool, "yes", "the timer does not look at every client"),
    Directive::honoured("enable-debug-command", |c| Field::Choice(&mut c.enable_debug_command)).immutable(),
    Directive::honoured("enable-protected-configs", |c| Field::Choice(&mut c.enable_protected_configs)).immutable(),
    Directive::accepted("enable-module-command", Kind::Word(&["no", "yes", "local"]), "no", "there are no modules")
        .immutable(),
    // Commands under another name; an empty one takes a command away.
    Directive::honoured("rename-command", |c| Field::Renames(&mut c.rename_command)).unseen(),
    Directive::honoured("slowlog-log-slower-than", |c| Field::Number(&mut c.slowlog_log_slower_than)).range(-1, I64),
    Directive::honoured("slowlog-max-len", |c| Field::Number(&mut c.slowlog_max_len)).range(0, I64),
    Directive::honoured("latency-monitor-threshold", |c| Field::Number(&mut c.latency_monitor_threshold)).range(0, I64),
    Directive::honoured("latency-tracking", |c| Field::Bool(&mut c.latency_tracking)),
    Directive::honoured("latency-tracking-info-percentiles", |c| {
        Field::Percentiles(&mut c.latency_tracking_info_percentiles)
    }),
    Directive::honoured("notify-keyspace-events", |c| Field::Events(&mut c.notify_keyspace_events)),
    Directive::accepted("commandlog-execution-slower-than", Kind::Number, "10000", COMMANDLOG).range(-1, I64),
    Directive::accepted("commandlog-slow-execution-max-len", Kind::Number, "128", COMMANDLOG).range(0, I64),
    Directive::accepted("commandlog-request-larger-than", Kind::Number, "1048576", COMMANDLOG).range(-1, I64),
    Directive::accepted("commandlog-large-request-max-len", Kind::Number, "128", COMMANDLOG).range(0, I64),
    Directive::accepted("commandlog-reply-larger-than", Kind::Number, "1048576", COMMANDLOG).range(-1, I64),
    Directive::accepted("commandlog-large-reply-max-len", Kind::Number, "128", COMMANDLOG).range(0, I64),
    Directive::accepted("log-format", Kind::Word(&["legacy", "logfmt", "json"]), "legacy", ONE_FORMAT),
    Directive::accepted(
        "log-timestamp-format",
        Kind::Word(&["legacy", "iso8601", "milliseconds"]),
        "legacy",
        ONE_FORMAT,
    ),
    Directive::accepted("hide-user-data-from-log", Kind::Bool, "yes", "the log does not show values"),
    Directive::accepted("crash-log-enabled", Kind::Bool, "yes", "a crash is reported by the system"),
    Directive::accepted("crash-memcheck-enabled", Kind::Bool, "yes", "a crash is reported by the system"),
    Directive::accepted("always-show-logo", Kind::Bool, "no", "there is no logo").immutable(),
    Directive::accepted("set-proc-title", Kind::Bool, "yes", NO_TITLE).immutable(),
    Directive::accepted("proc-title-template", Kind::Text, "{title} {listen-addr} {server-mode}", NO_TITLE)
        .checked(proc_title_template),
    Directive::accepted("locale-collate", Kind::Text, "", "SORT ALPHA compares bytes: only C and POSIX are taken")
        .checked(locale_collate)
        .keeps_empty(),
    Directive::accepted("ignore-warnings", Kind::Text, "", "the warnings it silences do not exist").keeps_empty(),
    Directive::accepted(
        "extended-redis-compatibility",
        Kind::Bool,
        "no",
        "the reported version is Redis's in any case",
    ),
    Directive::accepted("availability-zone", Kind::Text, "", "it is not announced").keeps_empty(),
    Directive::accepted("disable-thp", Kind::Bool, "yes", "no fork, so no large page is copied whole").immutable(),
    Directive::accepted(
        "oom-score-adj",
        Kind::Word(&["no", "yes", "relative", "absolute"]),
        "no",
        "there is no child process to prefer",
    ),
    Directive::accepted(
        "oom-score-adj-values",
        Kind::Numbers(3, "Invalid oom-score-adj-values, elements must be between -2000 and 2000."),
        "0 200 800",
        "there is no child process to prefer",
    )
    .range(-2000, 2000),
    Directive::accepted("server-cpulist", Kind::Text, "", NO_PINNING).alias("server_cpulist").immutable(),
    Directive::accepted("bio-cpulist", Kind::Text, "", NO_PINNING).alias("bio_cpulist").immutable(),
    Directive::accepted("aof-rewrite-cpulist", Kind::Text, "", NO_PINNING).alias("aof_rewrite_cpulist").immutable(),
    Directive::accepted("bgsave-cpulist", Kind::Text, "", NO_PINNING).alias("bgsave_cpulist").immutable(),
    // Seconds that a shutdown waits for replicas.
    Directive::honoured("shutdown-timeout", |c| Field::Number(&mut c.shutdown_timeout)).range(0, I32),
    Directive::honoured("shutdown-on-sigint", |c| Field::Shutdown(&mut c.shutdown_on_sigint)),
    Directive::honoured("shutdown-on-sigterm", |c| Field::Shutdown(&mut c.shutdown_on_sigterm)),
    Directive::accepted("busy-reply-threshold", Kind::Number, "5000", NO_SCRIPTS).alias("lua-time-limit").range(0, I64),
    Directive::accepted("tracking-table-max-keys", Kind::Number, "1000000", "there is no client tracking yet")
        .range(0, I64),
    Directive::refused("import-mode", "no", "keys expire while they are imported, too"),
    Directive::accepted("acllog-max-len", Kind::Number, "128", "there is no ACL log").range(0, I64),
    Directive::accepted(
        "acl-pubsub-default",
        Kind::Word(&["allchannels", "resetchannels"]),
        "resetchannels",
        "there is only the default user",
    ),
];
