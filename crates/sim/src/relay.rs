//! What a replica and its master tell each other, overheard at the replica's end: what it asked for, and where the
//! stream stands. With a [`Sabotage`] it falsifies what it relays.

use std::io;

use base::ReplId;
use node::StreamFacts;
use resp::encode;

use crate::env::Env;
use crate::machine::Asked;
use crate::sabotage::Sabotage;

/// How far a conversation is.
enum Stage {
    /// PSYNC was not answered yet; the bytes of an unfinished line.
    Answer(Vec<u8>),
    /// The stream goes on.
    Stream {
        /// The new id, if the master named one that was not asked for.
        renamed: bool,
    },
    /// A data set is being sent: it is only passed on.
    Full,
}

/// One conversation.
pub(crate) struct Relay {
    master: usize,
    asked: Option<Asked>,
    /// What was asked, and where the replica stood then; for whoever checks it.
    pub question: Option<(Asked, StreamFacts)>,
    stage: Stage,
    /// What stood behind the last whole unit when the link before was lost, to be put in front once more.
    leftover: Vec<u8>,
    /// The stream's bytes since its last whole unit.
    unfinished: Vec<u8>,
}

impl Relay {
    /// A conversation with that machine.
    pub fn new(master: usize) -> Relay {
        Relay {
            master,
            asked: None,
            question: None,
            stage: Stage::Answer(Vec::new()),
            leftover: Vec::new(),
            unfinished: Vec::new(),
        }
    }

    /// A new connection to a master after this one; what was unfinished goes along.
    pub fn next(&mut self, master: usize) -> Relay {
        Relay { leftover: std::mem::take(&mut self.unfinished), ..Relay::new(master) }
    }

    /// Whether the replica has the beginning of a command or transaction that it cannot apply yet.
    pub fn is_inside_unit(&self) -> bool {
        !self.unfinished.is_empty()
    }

    /// The replica writes.
    pub fn up(&mut self, key: u64, bytes: &[u8], facts: &StreamFacts, env: &mut Env) -> io::Result<usize> {
        if self.asked.is_none()
            && let Some(asked) = Asked::find(bytes)
        {
            let falsified = self.falsify_psync(&asked, facts, env);
            // A bug of the master leaves the replica's question as it is.
            let of_the_replica = env.sabotage.is_some_and(Sabotage::is_of_the_replica);
            let shown = falsified.as_deref().filter(|_| of_the_replica).and_then(Asked::find);
            self.question = Some((shown.unwrap_or_else(|| asked.clone()), facts.clone()));
            self.asked = Some(asked);
            if let Some(falsified) = falsified {
                return write_whole(env, key, &falsified).map(|()| bytes.len());
            }
        }
        if env.sabotage == Some(Sabotage::AckTooHigh) && bytes.windows(5).any(|window| window == b"\r\nACK") {
            let mut ack = Vec::new();
            let much = (facts.end + 100_000).to_string();
            encode::command(&mut ack, &[b"REPLCONF", b"ACK", much.as_bytes()]);
            return write_whole(env, key, &ack).map(|()| bytes.len());
        }
        env.write((key, 0), bytes)
    }

    /// What the replica's PSYNC becomes; None: it stays.
    fn falsify_psync(&mut self, asked: &Asked, facts: &StreamFacts, env: &mut Env) -> Option<Vec<u8>> {
        let psync = |id: &[u8], wanted: i64| {
            let mut bytes = Vec::new();
            encode::command(&mut bytes, &[b"PSYNC", id, wanted.to_string().as_bytes()]);
            Some(bytes)
        };
        let replid = asked.replid?;
        match env.sabotage? {
            Sabotage::SecondOffsetUnchecked => {
                let master = env.board[self.master].as_ref()?;
                let beyond = replid == master.replid2 && asked.wanted > master.second_offset;
                if beyond { psync(master.replid.as_bytes(), asked.wanted) } else { None }
            }
            Sabotage::OffsetInsideMulti if !self.leftover.is_empty() => {
                psync(replid.as_bytes(), asked.wanted + self.leftover.len() as i64)
            }
            Sabotage::JournalTrimmedEarly => {
                let master = env.board[self.master].as_ref()?;
                let behind = master.end.checked_sub(asked.wanted as u64 - 1).filter(|behind| *behind > 0)?;
                let ours = replid == master.replid && facts.kept;
                if ours { psync(replid.as_bytes(), asked.wanted + behind as i64) } else { None }
            }
            Sabotage::AlwaysAsksForAll => psync(b"?", -1),
            _ => None,
        }
    }

    /// The master's bytes come: what the replica gets to see.
    pub fn down(&mut self, bytes: Vec<u8>, env: &mut Env) -> Vec<u8> {
        let Some(asked) = &self.asked else { return bytes };
        let replid = asked.replid;
        match &mut self.stage {
            Stage::Full => bytes,
            Stage::Stream { .. } => self.stream(bytes, env),
            Stage::Answer(line) => {
                let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
                    line.extend_from_slice(&bytes);
                    return bytes;
                };
                line.extend_from_slice(&bytes[..=end]);
                let line = std::mem::take(line);
                let (mut answer, rest) = (bytes[..=end].to_vec(), bytes[end + 1..].to_vec());
                self.note_answer(&line, replid, env);
                if matches!(self.stage, Stage::Stream { .. }) {
                    if env.sabotage == Some(Sabotage::UnfinishedMultiKept) {
                        answer.extend(std::mem::take(&mut self.leftover));
                    }
                    answer.extend(self.stream(rest, env));
                    return answer;
                }
                answer.extend(self.down(rest, env));
                answer
            }
        }
    }

    fn note_answer(&mut self, line: &[u8], asked: Option<ReplId>, env: &mut Env) {
        if let Some(id) = line.strip_prefix(b"+CONTINUE") {
            env.figures.partial_syncs += 1;
            // Older ids may stand behind it.
            let named = id.trim_ascii().split(|byte| *byte == b' ').next().and_then(ReplId::parse);
            self.stage = Stage::Stream { renamed: named.is_some() && named != asked };
        } else if !line.trim_ascii().is_empty() {
            self.stage = Stage::Full;
        } else {
            self.stage = Stage::Answer(Vec::new());
        }
    }

    /// Bytes of the stream.
    fn stream(&mut self, mut bytes: Vec<u8>, env: &Env) -> Vec<u8> {
        if let Stage::Stream { renamed } = &mut self.stage
            && *renamed
            && env.sabotage == Some(Sabotage::SelectForgotten)
        {
            const SELECT: &[u8] = b"*2\r\n$6\r\nSELECT\r\n$1\r\n";
            if let Some(at) = bytes.windows(SELECT.len()).position(|window| window == SELECT)
                && let Some(db) = bytes.get_mut(at + SELECT.len())
            {
                *db = if *db == b'0' { b'1' } else { b'0' };
                *renamed = false;
            }
        }
        self.unfinished.extend_from_slice(&bytes);
        let whole = whole_units(&self.unfinished);
        self.unfinished.drain(..whole);
        bytes
    }
}

/// Writes all of these bytes or fails: a falsified request is not cut into pieces.
fn write_whole(env: &mut Env, key: u64, bytes: &[u8]) -> io::Result<()> {
    match env.write((key, 0), bytes)? {
        count if count == bytes.len() => Ok(()),
        _ => Err(io::ErrorKind::ConnectionReset.into()),
    }
}

/// How many bytes at the front are whole units: commands, or transactions with their EXEC.
fn whole_units(bytes: &[u8]) -> usize {
    let (mut whole, mut at, mut open) = (0, 0, false);
    while let Some(length) = command_length(&bytes[at..]) {
        let command = &bytes[at..at + length];
        at += length;
        open = match command {
            b"*1\r\n$5\r\nMULTI\r\n" => true,
            b"*1\r\n$4\r\nEXEC\r\n" => false,
            _ => open,
        };
        if !open {
            whole = at;
        }
    }
    whole
}

/// The length of the command at the front, once it is whole.
fn command_length(bytes: &[u8]) -> Option<usize> {
    let line = |at: usize| {
        let end = at + bytes.get(at..)?.windows(2).position(|window| window == b"\r\n")?;
        let number = base::numbers::parse_u64(bytes.get(at + 1..end)?)?;
        Some((usize::try_from(number).ok()?, end + 2))
    };
    let (arguments, mut at) = line(0)?;
    for _ in 0..arguments {
        let (length, next) = line(at)?;
        at = next + length + 2;
    }
    (at <= bytes.len()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_transaction_is_no_whole_unit() {
        let ping = b"*1\r\n$4\r\nPING\r\n";
        let multi = b"*1\r\n$5\r\nMULTI\r\n";
        let exec = b"*1\r\n$4\r\nEXEC\r\n";
        assert_eq!(whole_units(ping), 14);
        assert_eq!(whole_units(&[&ping[..], multi, ping].concat()), 14);
        let closed = [&ping[..], multi, ping, exec].concat();
        assert_eq!(whole_units(&closed), closed.len());
        assert_eq!(whole_units(&closed[..closed.len() - 1]), 14);
    }
}
