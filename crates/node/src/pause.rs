//! What holds commands back for a time: CLIENT PAUSE, a shutdown that waits for its replicas, and a
//! failover. Held-back commands stay
//! in their client's inbox and are judged again when a pause ends.

use base::Time;

use crate::client::ConnId;
use crate::node::Node;

/// What holds commands back.
#[derive(Default)]
pub(crate) struct Pause {
    /// CLIENT PAUSE: until when.
    pub until: Option<Time>,
    /// CLIENT PAUSE holds reads back too.
    pub all: bool,
    /// The server is about to end, and replicas are to get what there is. CLIENT UNPAUSE does not end this one.
    pub for_shutdown: bool,
    /// A replica is about to take over, and is to have all there is. CLIENT UNPAUSE does not end this one either.
    pub for_failover: bool,
    /// Who waits for the end.
    pub waiting: Vec<ConnId>,
}

impl Pause {
    /// Whether writes are held back, and with them whatever else would change the data set.
    pub fn holds_writes(&self, now: Time) -> bool {
        self.for_shutdown || self.for_failover || self.until.is_some_and(|until| now < until)
    }

    /// Whether every command is held back.
    pub fn holds_all(&self, now: Time) -> bool {
        self.all && self.until.is_some_and(|until| now < until)
    }
}

impl Node {
    /// Ends CLIENT PAUSE and looks again at what was held back.
    pub(crate) fn end_pause(&mut self) {
        self.pause.until = None;
        self.pause.all = false;
        self.release_paused();
    }

    /// Looks again at what was held back; what another pause still holds back goes on waiting.
    pub(crate) fn release_paused(&mut self) {
        for waiting in std::mem::take(&mut self.pause.waiting) {
            if let Some(client) = self.clients.get_mut(waiting) {
                client.blocked = None;
                self.resume_later(waiting);
            }
        }
    }
}
