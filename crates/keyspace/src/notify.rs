//! Keyspace events: what happened to a key, and who hears of it.

pub use base::EventClass as Class;

/// What happened to a key: the class decides who hears of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// Its class.
    pub class: Class,
    /// Its name: `set`, `lpush`, `expired` …
    pub name: &'static str,
}

impl Event {
    /// An event of that class and name.
    pub const fn new(class: Class, name: &'static str) -> Event {
        Event { class, name }
    }
}
