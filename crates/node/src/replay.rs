//! Builds a data set from append-only files: the commands run as those of a master do, with nothing counting as
//! expired, one transaction at a time. Runs beside the executor and needs no node.

use std::io::Read;

use base::UnixMs;
use commands::{Error, Outcome, is};
use config::Config;
use keyspace::{Effects, Keyspace};
use persist::aof::{Damage, Found, Header, ReadError, Reader};
use resp::{Args, OwnedArgs};

use crate::execute::run_data;
use crate::table::{CommandRow, CommandTable};

/// A data set under construction.
pub struct Replay {
    keyspace: Box<Keyspace>,
    table: CommandTable,
    effects: Effects,
    rng: fastrand::Rng,
    now: UnixMs,
    db: usize,
    transaction: Option<Vec<OwnedArgs>>,
    /// A command that fails ends the replay.
    failures_fatal: bool,
    failures: Vec<String>,
    /// From this offset on a master sent commands that can't be run here.
    unknown_since: Option<u64>,
    tail: Tail,
}

/// The last bytes of the stream that was replayed, for replicas that go on from there.
#[derive(Default)]
struct Tail {
    bytes: Vec<u8>,
    /// How many of them belong to a unit that is not whole yet.
    unsettled: usize,
    /// The stream's offset behind the last whole unit; None: what was replayed is no stream with offsets.
    end: Option<u64>,
    bytes_max: usize,
}

/// What a file held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileReplayed {
    /// Its header, if it has one of ours.
    pub header: Option<Header>,
    /// Bytes of the file up to the end of its last whole unit.
    pub length: u64,
    /// Whether it has commands beside its header.
    pub has_commands: bool,
}

/// Why a file can't be replayed to its end.
#[derive(Debug)]
pub enum ReplayError {
    /// At `length` bytes the file's last whole unit ends; what follows is damaged.
    Damaged {
        /// What was sound.
        sound: FileReplayed,
        /// Where reading failed, in bytes from the file's start.
        at: u64,
        /// What is wrong there.
        damage: Damage,
    },
    /// A command in it can't be run.
    Refused {
        /// What was sound.
        sound: FileReplayed,
        /// Where the command stands, in bytes from the file's start.
        at: u64,
        /// Why not.
        why: String,
    },
    /// The file could not be read, or is not the next one of its stream.
    Unusable(String),
}

impl Replay {
    /// Begins with a data set: an empty one, or what the base file held. Keeps up to `tail_bytes_max` of the last bytes.
    pub fn new(keyspace: Box<Keyspace>, config: &Config, now: UnixMs) -> Replay {
        let tail_bytes_max = config.repl_backlog_size.max(journal::BACKLOG_BYTES_MIN) as usize;
        Replay {
            keyspace,
            table: CommandTable::of_config(config),
            effects: Effects::default(),
            // No command of a stream depends on it: what was random was written as it fell out.
            rng: fastrand::Rng::with_seed(0),
            now,
            db: 0,
            transaction: None,
            failures_fatal: config.propagation_error_behavior == config::PropagationError::Panic,
            failures: Vec::new(),
            unknown_since: None,
            tail: Tail { bytes_max: tail_bytes_max, ..Tail::default() },
        }
    }

    /// The data set as it is now.
    pub fn into_keyspace(self) -> Box<Keyspace> {
        self.keyspace
    }

    /// The last bytes of the stream, and the offset behind them.
    pub fn take_tail(&mut self) -> (Vec<u8>, Option<u64>) {
        (std::mem::take(&mut self.tail.bytes), self.tail.end)
    }

    /// What to say of commands that failed, though they had worked when they were written; so many of them at most.
    pub fn take_failures(&mut self) -> Vec<String> {
        std::mem::take(&mut self.failures)
    }

    /// The data set stands at this offset: the first file with offsets must begin there.
    pub fn begin_at(&mut self, offset: u64) {
        self.tail.restart(Some(offset));
    }

    /// From this offset on a master sent commands that can't be run here. They are passed over, as they were when they came.
    pub fn pass_over_from(&mut self, offset: u64) {
        self.unknown_since = Some(offset);
    }

    /// The database that is selected at the end.
    pub fn selected_db(&self) -> usize {
        self.db
    }

    /// Runs a file. `progress` hears how many bytes of it are read.
    pub fn file(&mut self, source: impl Read, progress: &mut dyn FnMut(u64)) -> Result<FileReplayed, ReplayError> {
        let mut reader = Reader::new(source);
        let mut sound = FileReplayed { header: None, length: 0, has_commands: false };
        let mut in_header = false;
        let mut told = 0;
        let mut first = true;
        // Every file begins there; but one that was only created says nothing of what comes behind it.
        let before = std::mem::take(&mut self.db);
        self.transaction = None;
        loop {
            let found = match reader.advance() {
                Ok(found) => found,
                Err(ReadError::Io(error)) => return Err(ReplayError::Unusable(error.to_string())),
                Err(ReadError::Damaged(damage)) => {
                    self.forget_unfinished();
                    return Err(ReplayError::Damaged { sound, at: reader.position(), damage });
                }
            };
            if std::mem::take(&mut first) && matches!(found, Found::Comment | Found::Command) {
                // A file of another server: from here on there are no offsets.
                self.tail.restart(None);
            }
            match found {
                Found::End if self.transaction.is_some() => {
                    self.forget_unfinished();
                    let damage = Damage::Truncated;
                    return Err(ReplayError::Damaged { sound, at: reader.position(), damage });
                }
                Found::End => {
                    if sound.header.is_none() && !sound.has_commands {
                        self.db = before;
                    }
                    return Ok(sound);
                }
                Found::Comment => {}
                Found::Header(header) => {
                    self.begin_stream(&header).map_err(ReplayError::Unusable)?;
                    sound.header = Some(header);
                    in_header = header.selected_db.is_some();
                }
                Found::Command => {
                    let at = reader.position() - reader.bytes().len() as u64;
                    let outcome = self.command(&reader.args());
                    outcome.map_err(|why| ReplayError::Refused { sound, at, why })?;
                    if in_header {
                        in_header = false;
                    } else {
                        self.tail.push(reader.bytes());
                        sound.has_commands = true;
                    }
                }
            }
            if self.transaction.is_none() {
                sound.length = reader.position();
                self.tail.settle();
            }
            if reader.position() - told > PROGRESS_BYTES {
                told = reader.position();
                progress(told);
            }
        }
    }

    /// The file's bytes stand at this offset. They must go on where those of the file before end, for what was
    /// acknowledged in between would be missing.
    fn begin_stream(&mut self, header: &Header) -> Result<(), String> {
        match self.tail.end {
            Some(end) if end != header.offset => Err(format!(
                "the file begins at offset {} of the stream, and the one before it ends at {end}",
                header.offset
            )),
            Some(_) => Ok(()),
            None => {
                self.tail.restart(Some(header.offset));
                Ok(())
            }
        }
    }

    fn forget_unfinished(&mut self) {
        self.transaction = None;
        self.tail.drop_unsettled();
    }

    fn command(&mut self, args: &Args<'_>) -> Result<(), String> {
        let name = &args[0];
        if is(name, "MULTI") && self.transaction.is_none() {
            self.transaction = Some(Vec::new());
        } else if is(name, "EXEC") {
            let Some(queued) = self.transaction.take() else {
                if self.tail.end.is_some() {
                    return Err("EXEC without MULTI".to_owned());
                }
                // In a file of their own real servers pass it over: it changes nothing.
                return self.note_failure("ERR EXEC without MULTI", "exec");
            };
            for request in &queued {
                self.run(&request.as_args())?;
            }
        } else if let Some(queued) = &mut self.transaction {
            queued.push(args.to_owned_args());
        } else {
            self.run(args)?;
        }
        Ok(())
    }

    /// Runs one command. One that can't be run at all was damaged, unless it came from a master and was passed over then.
    fn run(&mut self, args: &Args<'_>) -> Result<(), String> {
        let passed_over = self.tail.end.zip(self.unknown_since).is_some_and(|(unit, since)| unit >= since);
        match self.try_run(args) {
            Err(why) if passed_over => self.note_failure(&why, &String::from_utf8_lossy(&args[0])),
            outcome => outcome,
        }
    }

    fn try_run(&mut self, args: &Args<'_>) -> Result<(), String> {
        let id = self.table.find(args).map_err(|error| shown(&error))?;
        let command = self.table.get(id);
        if !command.row.meta().arity_fits(args.len()) {
            return Err(format!("wrong number of arguments for '{}'", command.full_name));
        }
        match command.row {
            CommandRow::Data(row) => {
                let outcome: Outcome =
                    run_data(&mut self.keyspace, &mut self.effects, &mut self.rng, self.now, self.db, row.run, args);
                self.effects.clear();
                // Nobody waits meanwhile, so what is dead goes at once.
                drop(self.keyspace.take_costly());
                while let Some(table) = self.keyspace.take_garbage() {
                    drop(table);
                }
                if let Err(error) = outcome {
                    let name = command.full_name.clone();
                    self.note_failure(&shown(&error), &name)?;
                }
            }
            CommandRow::Server(row) => match row.name {
                "select" => {
                    let db = base::numbers::parse_u64(&args[1]).and_then(|db| usize::try_from(db).ok());
                    self.db = db.filter(|db| *db < self.keyspace.count()).ok_or_else(|| shown(&Error::DbIndex))?;
                }
                // Nobody listens any more, or waits for an answer.
                "ping" | "publish" | "spublish" | "replconf" => {}
                other => return Err(format!("the command '{other}' can't be replayed")),
            },
        }
        Ok(())
    }
}

impl Replay {
    /// A command of the stream failed: the data set is not what it was. Only with `panic` is that refused, as with the peers.
    fn note_failure(&mut self, error: &str, command: &str) -> Result<(), String> {
        let line = format!(
            "== CRITICAL == This server is sending an error to its AOF-loading-client: '{error}' after processing the \
             command '{command}'"
        );
        if self.failures_fatal {
            return Err(line);
        }
        if self.failures.len() < FAILURES_TOLD_MAX {
            self.failures.push(line);
        }
        Ok(())
    }
}

impl Tail {
    /// The next bytes stand at this offset, or at none.
    fn restart(&mut self, at: Option<u64>) {
        self.bytes.clear();
        self.unsettled = 0;
        self.end = at;
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.end.is_some() {
            self.bytes.extend_from_slice(bytes);
            self.unsettled += bytes.len();
        }
    }

    /// A unit is whole.
    fn settle(&mut self) {
        self.end = self.end.map(|end| end + self.unsettled as u64);
        self.unsettled = 0;
        if self.bytes.len() > 2 * self.bytes_max {
            self.bytes.drain(..self.bytes.len() - self.bytes_max);
        }
    }

    fn drop_unsettled(&mut self) {
        self.bytes.truncate(self.bytes.len() - self.unsettled);
        self.unsettled = 0;
    }
}

/// So many failed commands are told of.
const FAILURES_TOLD_MAX: usize = 8;

/// How often progress is told.
const PROGRESS_BYTES: u64 = 2 * 1024 * 1024;

fn shown(error: &Error) -> String {
    String::from_utf8_lossy(error.message()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::ReplId;
    use keyspace::Settings;

    fn replay() -> Replay {
        let keyspace = Box::new(Keyspace::new(16, [1, 2], Settings::default()));
        Replay::new(keyspace, &Config::default(), UnixMs(1_750_000_000_000))
    }

    fn header(offset: u64, selected_db: Option<usize>) -> Vec<u8> {
        Header { replid: ReplId::from_entropy([9; 20]), offset, selected_db }.encode()
    }

    fn stream(lines: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in lines {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            resp::encode::command(&mut bytes, &words);
        }
        bytes
    }

    fn contents(replay: Replay) -> Vec<String> {
        let keyspace = replay.into_keyspace();
        let mut all = Vec::new();
        for db in 0..keyspace.count() {
            keyspace.for_each(db, |key, _, _| all.push(format!("{db}:{}", String::from_utf8_lossy(key))));
        }
        all.sort();
        all
    }

    #[test]
    fn files_of_one_stream_are_replayed_and_give_its_end() {
        let mut replay = replay();
        let first = [header(100, None), stream(&["SELECT 2", "SET a 1", "PING"])].concat();
        let second_start = 100 + stream(&["SELECT 2", "SET a 1", "PING"]).len() as u64;
        let written = stream(&["MULTI", "SET b 1", "INCR a", "EXEC", "SELECT 0", "SET c 1"]);
        let second = [header(second_start, Some(2)), written.clone()].concat();
        let sound = replay.file(&first[..], &mut |_| {}).expect("it is sound");
        assert_eq!((sound.length, sound.has_commands), (first.len() as u64, true));
        replay.file(&second[..], &mut |_| {}).expect("it is sound");
        let empty = replay.file(&b""[..], &mut |_| {}).expect("a file that was only created");
        assert!(!empty.has_commands && empty.header.is_none());
        assert_eq!(replay.selected_db(), 0);
        let (tail, end) = replay.take_tail();
        assert_eq!(end, Some(second_start + written.len() as u64));
        assert!(tail.ends_with(&written));
        assert_eq!(contents(replay), ["0:c", "2:a", "2:b"]);
    }

    #[test]
    fn what_goes_again_while_files_are_replayed_takes_no_memory() {
        let elements: String = (0..5000).map(|number| format!(" {number}-{}", "x".repeat(200))).collect();
        let (push, add) = (format!("RPUSH l{elements}"), format!("SADD s{elements}"));
        for line in ["LPOP l 4990", "LTRIM l -10 -1", "DEL s", "FLUSHALL"] {
            let mut replay = replay();
            let commands = stream(&["SET k v", &push, &add, line]);
            replay.file(&[header(0, Some(0)), commands].concat()[..], &mut |_| {}).expect("it is sound");
            assert_eq!(replay.into_keyspace().dead_bytes(), 0, "{line}");
        }
    }

    #[test]
    fn a_file_that_was_only_created_leaves_the_database_selected() {
        let mut replay = replay();
        replay
            .file(&[header(0, None), stream(&["SELECT 3", "SET a 1"])].concat()[..], &mut |_| {})
            .expect("it is sound");
        replay.file(&b""[..], &mut |_| {}).expect("nothing is wrong with it");
        assert_eq!(replay.selected_db(), 3);
    }

    #[test]
    fn a_file_that_does_not_go_on_where_the_last_one_ends_is_refused() {
        let mut replay = replay();
        replay.file(&[header(0, None), stream(&["SET a 1"])].concat()[..], &mut |_| {}).expect("it is sound");
        let refused = replay.file(&header(7, Some(0))[..], &mut |_| {});
        assert!(matches!(refused, Err(ReplayError::Unusable(why)) if why.contains("begins at offset 7")));
    }

    #[test]
    fn a_cut_anywhere_leaves_whole_units_only() {
        let head = header(40, Some(0));
        let first = stream(&["SET a 1"]);
        let unit = stream(&["MULTI", "SET b 1", "DEL a", "EXEC"]);
        let all = [head.clone(), first.clone(), unit].concat();
        let whole = head.len() + first.len();
        for cut in whole + 1..all.len() {
            let mut replay = replay();
            let Err(ReplayError::Damaged { sound, damage, .. }) = replay.file(&all[..cut], &mut |_| {}) else {
                panic!("a cut at {cut} is not seen");
            };
            assert_eq!((sound.length, damage), (whole as u64, Damage::Truncated), "cut at {cut}");
            assert_eq!(replay.take_tail(), (first.clone(), Some(40 + first.len() as u64)), "cut at {cut}");
            assert_eq!(contents(replay), ["0:a"], "cut at {cut}");
        }
    }

    #[test]
    fn nothing_expires_in_a_replay_and_a_foreign_file_has_no_offsets() {
        let mut replay = replay();
        let file = stream(&["SELECT 1", "SET k 5", "PEXPIREAT k 1000", "INCR k", "SET gone v PXAT 5"]);
        replay.file(&file[..], &mut |_| {}).expect("it is sound");
        assert_eq!(replay.take_tail(), (vec![], None));
        assert_eq!(contents(replay), ["1:gone", "1:k"]);
    }

    #[test]
    fn a_command_that_a_master_sent_and_nobody_here_knows_is_passed_over_again() {
        let mut replay = replay();
        let before = stream(&["SET a 1"]);
        replay.pass_over_from(before.len() as u64);
        let file = [header(0, None), before, stream(&["NOSUCH a", "SELECT 99", "SET b 1"])].concat();
        let sound = replay.file(&file[..], &mut |_| {}).expect("it was received, and all behind it was acknowledged");
        assert_eq!(sound.length, file.len() as u64);
        assert_eq!(replay.take_failures().len(), 2);
        assert_eq!(contents(replay), ["0:a", "0:b"]);
    }

    /// One letter of a SELECT was changed: passed over, everything behind it would be in another database.
    #[test]
    fn a_command_in_a_file_of_ours_that_nobody_knows_is_refused_with_its_place() {
        let before = [header(0, None), stream(&["SET a 1"])].concat();
        let file = [before.clone(), stream(&["SEMECT 1", "SET b 1"])].concat();
        for since in [None, Some(file.len() as u64)] {
            let mut replay = replay();
            since.into_iter().for_each(|since| replay.pass_over_from(since));
            let refused = replay.file(&file[..], &mut |_| {});
            let Err(ReplayError::Refused { at, why, .. }) = refused else { panic!("it is passed over") };
            assert_eq!(at, before.len() as u64);
            assert!(why.starts_with("ERR unknown command"), "{why}");
        }
    }

    #[test]
    fn the_first_file_must_begin_where_the_base_stands() {
        for offset in [39, 41] {
            let mut replay = replay();
            replay.begin_at(40);
            let refused = replay.file(&header(offset, Some(0))[..], &mut |_| {});
            assert!(matches!(refused, Err(ReplayError::Unusable(_))), "{offset}");
        }
        let mut replay = replay();
        replay.begin_at(40);
        replay.file(&b""[..], &mut |_| {}).expect("a file that was only created");
        replay.file(&header(40, Some(0))[..], &mut |_| {}).expect("it goes on there");
    }

    #[test]
    fn a_command_that_does_not_exist_is_refused_with_its_place() {
        let mut replay = replay();
        let file = stream(&["SET a 1", "NOSUCH a"]);
        let refused = replay.file(&file[..], &mut |_| {});
        let Err(ReplayError::Refused { sound, at, why }) = refused else { panic!("it is run") };
        assert_eq!((sound.length, at), (27, 27));
        assert!(why.starts_with("ERR unknown command"), "{why}");
    }

    #[test]
    fn an_exec_without_multi_is_passed_over_in_a_foreign_file_only() {
        let mut replay = replay();
        replay.file(&stream(&["SET a 1", "EXEC"])[..], &mut |_| {}).expect("real servers start with it");
        assert_eq!(replay.take_failures().len(), 1);
        let ours = [header(0, None), stream(&["SET b 1", "EXEC"])].concat();
        let refused = super::tests::replay().file(&ours[..], &mut |_| {});
        assert!(matches!(refused, Err(ReplayError::Refused { .. })));
        assert_eq!(contents(replay), ["0:a"]);
    }
}
