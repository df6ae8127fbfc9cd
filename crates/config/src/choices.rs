//! The settings whose value is one of a few words.

use crate::field::Choice;

/// Declares a setting of words: each variant with the word that names it.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// The word that names it.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }
        }

        impl Choice for $name {
            fn words(&self) -> &'static [&'static str] {
                &[$($word),*]
            }
            fn word(&self) -> &'static str {
                self.name()
            }
            fn choose(&mut self, word: &str) -> bool {
                $(if word.eq_ignore_ascii_case($word) {
                    *self = $name::$variant;
                    return true;
                })*
                false
            }
        }
    };
}

choice!(
    /// `loglevel`.
    LogLevel {
        /// Everything.
        Debug = "debug",
        /// Details.
        Verbose = "verbose",
        /// What an operator wants to see.
        Notice = "notice",
        /// What went wrong.
        Warning = "warning",
        /// Nothing.
        Nothing = "nothing",
    }
);

choice!(
    /// `syslog-facility`: what kind of program the system's log takes the server for.
    SyslogFacility {
        /// A program of a user.
        User = "user",
        /// For local use, as the following.
        Local0 = "local0",
        /// See `Local0`.
        Local1 = "local1",
        /// See `Local0`.
        Local2 = "local2",
        /// See `Local0`.
        Local3 = "local3",
        /// See `Local0`.
        Local4 = "local4",
        /// See `Local0`.
        Local5 = "local5",
        /// See `Local0`.
        Local6 = "local6",
        /// See `Local0`.
        Local7 = "local7",
    }
);

choice!(
    /// `supervised`: who starts the server and wants to hear that it is ready.
    Supervised {
        /// Upstart.
        Upstart = "upstart",
        /// Systemd.
        Systemd = "systemd",
        /// Whoever the environment names.
        Auto = "auto",
        /// Nobody.
        No = "no",
    }
);

choice!(
    /// Who may use what an operator should think about: DEBUG, protected settings.
    ProtectedAction {
        /// Nobody.
        No = "no",
        /// Everybody.
        Yes = "yes",
        /// Connections from this machine.
        Local = "local",
    }
);

choice!(
    /// `propagation-error-behavior`: what a replica does when a command of its master fails.
    PropagationError {
        /// Says so and goes on.
        Ignore = "ignore",
        /// Ends.
        Panic = "panic",
        /// Ends, unless it is a master.
        PanicOnReplicas = "panic-on-replicas",
    }
);

choice!(
    /// `maxmemory-policy`.
    MaxmemoryPolicy {
        /// Least recently used among keys with a deadline.
        VolatileLru = "volatile-lru",
        /// Least frequently used among keys with a deadline.
        VolatileLfu = "volatile-lfu",
        /// Any key with a deadline.
        VolatileRandom = "volatile-random",
        /// The nearest deadline.
        VolatileTtl = "volatile-ttl",
        /// Least recently used.
        AllkeysLru = "allkeys-lru",
        /// Least frequently used.
        AllkeysLfu = "allkeys-lfu",
        /// Any key.
        AllkeysRandom = "allkeys-random",
        /// None: writes are refused.
        Noeviction = "noeviction",
    }
);

impl MaxmemoryPolicy {
    /// Whether it chooses among keys with a deadline only.
    pub fn is_volatile(self) -> bool {
        use MaxmemoryPolicy::{VolatileLfu, VolatileLru, VolatileRandom, VolatileTtl};
        matches!(self, VolatileLru | VolatileLfu | VolatileRandom | VolatileTtl)
    }

    /// Whether it chooses by how often keys are used.
    pub fn counts_uses(self) -> bool {
        matches!(self, MaxmemoryPolicy::VolatileLfu | MaxmemoryPolicy::AllkeysLfu)
    }

    /// Whether it chooses by the use of keys: when they were used last, or how often.
    pub fn looks_at_use(self) -> bool {
        self.counts_uses() || matches!(self, MaxmemoryPolicy::VolatileLru | MaxmemoryPolicy::AllkeysLru)
    }
}

choice!(
    /// `appendfsync`.
    Appendfsync {
        /// Once a second.
        Everysec = "everysec",
        /// After every turn.
        Always = "always",
        /// When the system likes.
        No = "no",
    }
);

choice!(
    /// `repl-diskless-load`.
    DisklessLoad {
        /// Through a file.
        Disabled = "disabled",
        /// From the socket when there is no data set.
        OnEmptyDb = "on-empty-db",
        /// From the socket, beside the old data set.
        Swapdb = "swapdb",
        /// From the socket, the old data set gone first.
        FlushBeforeLoad = "flush-before-load",
    }
);
