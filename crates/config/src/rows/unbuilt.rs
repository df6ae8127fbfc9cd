//! TLS, Cluster, ACL files and modules: what would be a promise is refused, what only shapes it is remembered.

use super::{I32, I64};
use crate::checks::{host_name, ipv4, ipv6, node_name};
use crate::directive::{Directive, Kind};

const NO_TLS: &str = "there is no TLS yet";
const NO_CLUSTER: &str = "there is no cluster mode yet";
const NO_USERS: &str = "there are no ACL users yet, only the default one";
const NO_MODULES: &str = "there are no modules";

/// A TLS directive that means nothing without a TLS port.
const fn tls(name: &'static str, kind: Kind, default: &'static str) -> Directive {
    Directive::accepted(name, kind, default, NO_TLS)
}

/// A cluster directive that means nothing without cluster mode.
const fn cluster(name: &'static str, kind: Kind, default: &'static str) -> Directive {
    Directive::accepted(name, kind, default, NO_CLUSTER)
}

pub(super) const ROWS: &[Directive] = &[
    Directive::refused("tls-port", "0", NO_TLS).range(0, 65535),
    Directive::refused("tls-replication", "no", NO_TLS),
    Directive::refused("tls-cluster", "no", NO_TLS),
    tls("tls-cert-file", Kind::Text, ""),
    tls("tls-key-file", Kind::Text, ""),
    tls("tls-key-file-pass", Kind::Text, ""),
    tls("tls-client-cert-file", Kind::Text, ""),
    tls("tls-client-key-file", Kind::Text, ""),
    tls("tls-client-key-file-pass", Kind::Text, ""),
    tls("tls-dh-params-file", Kind::Text, ""),
    tls("tls-ca-cert-file", Kind::Text, ""),
    tls("tls-ca-cert-dir", Kind::Text, ""),
    tls("tls-auth-clients", Kind::Word(&["no", "yes", "optional"]), "yes"),
    tls("tls-auth-clients-user", Kind::Word(&["CN", "URI", "off"]), "off"),
    tls("tls-auto-reload-interval", Kind::Number, "0").range(0, I32),
    tls("tls-protocols", Kind::Text, ""),
    tls("tls-ciphers", Kind::Text, ""),
    tls("tls-ciphersuites", Kind::Text, ""),
    tls("tls-prefer-server-ciphers", Kind::Bool, "no"),
    tls("tls-session-caching", Kind::Bool, "yes"),
    tls("tls-session-cache-size", Kind::Number, "20480").range(0, I32),
    tls("tls-session-cache-timeout", Kind::Number, "300").range(0, I32),
    Directive::refused("cluster-enabled", "no", NO_CLUSTER),
    cluster("cluster-config-file", Kind::Text, "nodes.conf").immutable(),
    cluster("cluster-config-save-behavior", Kind::Word(&["sync", "best-effort"]), "sync"),
    cluster("cluster-node-timeout", Kind::Number, "15000").range(0, I64),
    cluster("cluster-port", Kind::Number, "0").range(0, 65535).immutable(),
    cluster("cluster-replica-validity-factor", Kind::Number, "10").alias("cluster-slave-validity-factor").range(0, I32),
    cluster("cluster-migration-barrier", Kind::Number, "1").range(0, I32),
    cluster("cluster-allow-replica-migration", Kind::Bool, "yes"),
    cluster("cluster-require-full-coverage", Kind::Bool, "yes"),
    cluster("cluster-replica-no-failover", Kind::Bool, "no").alias("cluster-slave-no-failover"),
    cluster("cluster-allow-reads-when-down", Kind::Bool, "no"),
    cluster("cluster-allow-pubsubshard-when-down", Kind::Bool, "yes"),
    cluster("cluster-link-sendbuf-limit", Kind::Number, "0").any_bytes(),
    cluster("cluster-announce-ip", Kind::Text, ""),
    cluster("cluster-announce-port", Kind::Number, "0").range(0, 65535),
    cluster("cluster-announce-tls-port", Kind::Number, "0").range(0, 65535),
    cluster("cluster-announce-bus-port", Kind::Number, "0").range(0, 65535),
    cluster("cluster-announce-client-ipv4", Kind::Text, "").checked(ipv4),
    cluster("cluster-announce-client-ipv6", Kind::Text, "").checked(ipv6),
    cluster("cluster-announce-client-port", Kind::Number, "0").range(0, 65535),
    cluster("cluster-announce-client-tls-port", Kind::Number, "0").range(0, 65535),
    cluster("cluster-announce-hostname", Kind::Text, "").checked(host_name),
    cluster("cluster-announce-human-nodename", Kind::Text, "").checked(node_name),
    cluster("cluster-preferred-endpoint-type", Kind::Word(&["ip", "hostname", "unknown-endpoint"]), "ip"),
    cluster("cluster-blacklist-ttl", Kind::Number, "60"),
    cluster("cluster-compatibility-sample-ratio", Kind::Number, "0").range(0, 100),
    cluster("cluster-databases", Kind::Number, "1").range(1, I32).immutable(),
    cluster("cluster-manual-failover-timeout", Kind::Number, "5000").range(1, I32),
    cluster("cluster-slot-migration-log-max-len", Kind::Number, "1000").range(0, I64),
    cluster("cluster-slot-stats-enabled", Kind::Bool, "no"),
    cluster("slot-migration-max-failover-repl-bytes", Kind::Number, "0").bytes(-1, I64),
    Directive::refused("aclfile", "", NO_USERS).immutable(),
    Directive::refused("loadmodule", "", NO_MODULES).unseen(),
];
