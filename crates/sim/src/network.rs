//! The simulated network: connections as two ordered byte streams with a bounded window. Bytes arrive in pieces after a
//! delay, partitions hold them back, cuts lose what is under way, and one side may notice a cut long after the other.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::time::Duration;

use base::Time;

use crate::queue::{Event, Queue};

/// Who stands at an end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Party {
    /// A server.
    Machine(usize),
    /// A client.
    Client(usize),
}

/// How the network behaves in one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// The shortest and the longest time that bytes are under way, in microseconds.
    pub delay_us: (u64, u64),
    /// How many bytes may be under way or unread in one direction.
    pub window: usize,
    /// A write becomes pieces of at most this many bytes.
    pub piece_max: usize,
}

/// Bytes that arrive together.
struct Piece {
    at: Time,
    bytes: Vec<u8>,
}

/// One direction.
#[derive(Default)]
struct Pipe {
    pieces: VecDeque<Piece>,
    /// Bytes in `pieces`, and those lost in a cut, which nobody acknowledges.
    held: usize,
    /// When the last piece arrives: none overtakes another.
    last_at: Time,
    /// When the end arrives behind the last piece.
    end_at: Option<Time>,
    /// The writer found no room and waits for some.
    writer_waits: bool,
}

/// One connection; side 0 opened it.
pub(crate) struct Connection {
    /// Who stands at each side.
    pub parties: [Party; 2],
    /// The accepting side's kernel took it.
    pub open: bool,
    /// Pipe `s` carries what side `s` writes.
    pipes: [Pipe; 2],
    closed: [bool; 2],
    /// It was cut: nothing gets through any more.
    cut: bool,
    /// When each side notices that.
    broken_at: [Option<Time>; 2],
}

/// All connections.
pub(crate) struct Network {
    /// How it behaves.
    pub weather: Weather,
    connections: BTreeMap<u64, Connection>,
    opened: u64,
    /// Until when nothing gets through between two parties.
    partitions: BTreeMap<(Party, Party), Time>,
}

impl Network {
    /// No connection.
    pub fn new(weather: Weather) -> Network {
        Network { weather, connections: BTreeMap::new(), opened: 0, partitions: BTreeMap::new() }
    }

    /// Begins to connect; [`Event::ConnectDone`] tells when it is answered.
    pub fn connect(&mut self, now: Time, from: Party, to: usize, rng: &mut fastrand::Rng, queue: &mut Queue) -> u64 {
        self.opened += 1;
        let parties = [from, Party::Machine(to)];
        let at = self.arrival(now, parties, rng);
        let connection = Connection {
            parties,
            open: false,
            pipes: Default::default(),
            closed: [false; 2],
            cut: false,
            broken_at: [None; 2],
        };
        self.connections.insert(self.opened, connection);
        queue.at(at, Event::ConnectDone(self.opened));
        self.opened
    }

    /// A connection, if either side still has it.
    pub fn get(&self, key: u64) -> Option<&Connection> {
        self.connections.get(&key)
    }

    /// The other side's kernel took the connection.
    pub fn accepted(&mut self, key: u64) {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.open = true;
        }
    }

    /// The open connections, with who stands at their ends.
    pub fn open_connections(&self) -> impl Iterator<Item = (u64, [Party; 2])> + '_ {
        let open = self.connections.iter().filter(|(_, connection)| connection.open && !connection.cut);
        open.map(|(key, connection)| (*key, connection.parties))
    }

    /// How many connections of that other machine a machine still has, those included that are cut without its knowledge.
    pub fn links_held(&self, from: usize, by: usize) -> usize {
        let parties = [Party::Machine(from), Party::Machine(by)];
        self.connections.values().filter(|connection| connection.parties == parties && !connection.closed[1]).count()
    }

    /// Writes: how many bytes were taken.
    pub fn write(
        &mut self,
        now: Time,
        (key, side): (u64, usize),
        bytes: &[u8],
        rng: &mut fastrand::Rng,
        queue: &mut Queue,
    ) -> io::Result<usize> {
        let weather = self.weather;
        let partition = self.connections.get(&key).and_then(|connection| self.partition(connection.parties));
        let Some(connection) = self.connections.get_mut(&key) else { return Err(ErrorKind::NotConnected.into()) };
        if connection.closed[side] || !connection.open {
            return Err(ErrorKind::NotConnected.into());
        }
        let other_left = connection.closed[1 - side] && connection.pipes[1 - side].end_at.is_some_and(|at| at <= now);
        if other_left || connection.broken_at[side].is_some_and(|at| at <= now) {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let cut = connection.cut;
        let pipe = &mut connection.pipes[side];
        let count = bytes.len().min(weather.window.saturating_sub(pipe.held));
        if count == 0 {
            pipe.writer_waits = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        pipe.held += count;
        if cut {
            return Ok(count);
        }
        let mut rest = &bytes[..count];
        while !rest.is_empty() {
            let length = if rng.u8(..4) > 0 { rest.len() } else { rng.usize(1..=rest.len()) };
            let (piece, left) = rest.split_at(length.min(weather.piece_max));
            let delay = Duration::from_micros(rng.u64(weather.delay_us.0..=weather.delay_us.1));
            let at = (now + delay).max(pipe.last_at).max(partition.unwrap_or_default());
            pipe.last_at = at;
            pipe.pieces.push_back(Piece { at, bytes: piece.to_vec() });
            queue.at(at, Event::Arrive { key, side: 1 - side });
            rest = left;
        }
        Ok(count)
    }

    /// Reads what has arrived, at most `bytes_max`; nothing at the end.
    pub fn read(
        &mut self,
        now: Time,
        (key, side): (u64, usize),
        bytes_max: usize,
        queue: &mut Queue,
    ) -> io::Result<Vec<u8>> {
        let Some(connection) = self.connections.get_mut(&key) else { return Err(ErrorKind::NotConnected.into()) };
        if connection.closed[side] || connection.broken_at[side].is_some_and(|at| at <= now) {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let pipe = &mut connection.pipes[1 - side];
        let mut taken = Vec::new();
        while taken.len() < bytes_max
            && let Some(piece) = pipe.pieces.front_mut().filter(|piece| piece.at <= now)
        {
            let count = piece.bytes.len().min(bytes_max - taken.len());
            taken.extend(piece.bytes.drain(..count));
            if piece.bytes.is_empty() {
                pipe.pieces.pop_front();
            }
        }
        pipe.held -= taken.len();
        if !taken.is_empty() {
            if std::mem::take(&mut pipe.writer_waits) {
                queue.after(now, Duration::from_micros(self.weather.delay_us.0), Event::Arrive { key, side: 1 - side });
            }
            return Ok(taken);
        }
        match pipe.end_at {
            Some(at) if at <= now && pipe.pieces.is_empty() => Ok(Vec::new()),
            _ => Err(ErrorKind::WouldBlock.into()),
        }
    }

    /// Closes one side: the other reads what was written, then the end.
    pub fn close(&mut self, now: Time, (key, side): (u64, usize), queue: &mut Queue) {
        let delay = Duration::from_micros(self.weather.delay_us.0);
        let partition = self.connections.get(&key).and_then(|connection| self.partition(connection.parties));
        let Some(connection) = self.connections.get_mut(&key) else { return };
        connection.closed[side] = true;
        if connection.closed[1 - side] || !connection.open {
            self.connections.remove(&key);
            return;
        }
        let pipe = &mut connection.pipes[side];
        if !connection.cut {
            let at = (now + delay).max(pipe.last_at).max(partition.unwrap_or_default());
            pipe.end_at = Some(at);
            queue.at(at, Event::Arrive { key, side: 1 - side });
        }
    }

    /// Breaks a connection: what is under way is lost; each side notices at its time.
    pub fn cut(&mut self, now: Time, key: u64, noticed_after: [Duration; 2], queue: &mut Queue) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        connection.cut = true;
        for (side, noticed_after) in noticed_after.into_iter().enumerate() {
            let pipe = &mut connection.pipes[1 - side];
            while pipe.pieces.back().is_some_and(|piece| piece.at > now) {
                pipe.pieces.pop_back();
            }
            pipe.end_at = pipe.end_at.filter(|at| *at <= now);
            let at = now + noticed_after;
            connection.broken_at[side] = Some(at);
            queue.at(at, Event::Arrive { key, side });
        }
    }

    /// Nothing gets through between these two for a while, and nothing is lost.
    pub fn partition_until(&mut self, now: Time, parties: [Party; 2], until: Time, queue: &mut Queue) {
        self.partitions.insert(ordered(parties), until);
        for (key, connection) in &mut self.connections {
            if ordered(connection.parties) != ordered(parties) {
                continue;
            }
            for (side, pipe) in connection.pipes.iter_mut().enumerate() {
                for piece in pipe.pieces.iter_mut().filter(|piece| piece.at > now) {
                    piece.at = piece.at.max(until);
                    pipe.last_at = piece.at;
                }
                pipe.end_at = pipe.end_at.map(|at| if at > now { at.max(until) } else { at });
                queue.at(pipe.last_at.max(until), Event::Arrive { key: *key, side: 1 - side });
            }
        }
    }

    /// All partitions end; what they hold back still arrives at the time it was told.
    pub fn heal(&mut self) {
        self.partitions.clear();
    }

    fn partition(&self, parties: [Party; 2]) -> Option<Time> {
        self.partitions.get(&ordered(parties)).copied()
    }

    fn arrival(&self, now: Time, parties: [Party; 2], rng: &mut fastrand::Rng) -> Time {
        let delay = Duration::from_micros(rng.u64(self.weather.delay_us.0..=self.weather.delay_us.1));
        (now + delay).max(self.partition(parties).unwrap_or_default())
    }
}

fn ordered(parties: [Party; 2]) -> (Party, Party) {
    (parties[0].min(parties[1]), parties[0].max(parties[1]))
}
