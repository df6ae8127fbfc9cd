//! All connections: found by slot, listed in order of their ids, and those with something to write.

use base::Time;

use crate::client::{Client, ConnId, PeerInfo};

/// All connections.
#[derive(Default)]
pub struct Clients {
    slots: Vec<Option<Box<Client>>>,
    free: Vec<u32>,
    next_id: u64,
    dirty: Vec<ConnId>,
}

impl Clients {
    /// Takes a new connection in.
    pub fn add(&mut self, peer: PeerInfo, authenticated: bool, now: Time) -> ConnId {
        let id = self.fresh_id();
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            (self.slots.len() - 1) as u32
        });
        let id = ConnId { slot, id };
        self.slots[slot as usize] = Some(Box::new(Client::new(id, peer, authenticated, now)));
        id
    }

    /// An id that no client had.
    pub fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Forgets a connection.
    pub fn remove(&mut self, id: ConnId) -> Option<Box<Client>> {
        self.get(id)?;
        self.free.push(id.slot);
        self.slots[id.slot as usize].take()
    }

    /// A connection, if it is still there.
    pub fn get(&self, id: ConnId) -> Option<&Client> {
        self.slots.get(id.slot as usize)?.as_deref().filter(|client| client.id == id)
    }

    /// A connection to change, if it is still there.
    pub fn get_mut(&mut self, id: ConnId) -> Option<&mut Client> {
        self.slots.get_mut(id.slot as usize)?.as_deref_mut().filter(|client| client.id == id)
    }

    /// All connections, the oldest slot first.
    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        self.slots.iter().filter_map(|slot| slot.as_deref())
    }

    /// All connections to change, the oldest slot first.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Client> {
        self.slots.iter_mut().filter_map(|slot| slot.as_deref_mut())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Notes that a connection has something to write.
    pub fn mark_dirty(&mut self, id: ConnId) {
        if let Some(client) = self.get_mut(id)
            && !client.is_dirty
        {
            client.is_dirty = true;
            self.dirty.push(id);
        }
    }

    /// Whether more than one connection has something to write.
    pub fn has_several_dirty(&self) -> bool {
        self.dirty.len() > 1
    }

    /// Takes the next connection that has something to write.
    pub fn pop_dirty(&mut self) -> Option<ConnId> {
        let id = self.dirty.pop()?;
        if let Some(client) = self.get_mut(id) {
            client.is_dirty = false;
        }
        Some(id)
    }
}

impl std::ops::Index<ConnId> for Clients {
    type Output = Client;
    fn index(&self, id: ConnId) -> &Client {
        self.get(id).expect("the connection that a command came from is there")
    }
}

impl std::ops::IndexMut<ConnId> for Clients {
    fn index_mut(&mut self, id: ConnId) -> &mut Client {
        self.get_mut(id).expect("the connection that a command came from is there")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> PeerInfo {
        PeerInfo {
            addr: "127.0.0.1:1".into(),
            laddr: "127.0.0.1:2".into(),
            ip: "127.0.0.1".into(),
            fd: 3,
            unix: false,
            local: true,
            certificate: None,
        }
    }

    #[test]
    fn a_reused_slot_does_not_answer_to_the_old_name() {
        let mut clients = Clients::default();
        let first = clients.add(peer(), true, Time(0));
        clients.mark_dirty(first);
        assert!(clients.remove(first).is_some());
        let second = clients.add(peer(), true, Time(0));
        assert_eq!(first.slot, second.slot);
        assert!(clients.get(first).is_none() && clients.get(second).is_some());
        assert!(clients.remove(first).is_none());
        assert_eq!(clients.len(), 1);
        assert_eq!(clients.pop_dirty(), Some(first), "the caller sees that it is gone");
    }
}
