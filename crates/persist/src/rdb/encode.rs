//! The writer of snapshots: header, databases, keys, end. What one value looks like is in `value`.

mod stream;
pub(super) mod value;

use std::{error, fmt};

use keyspace::{Item, Snapshot, ValueRef};

use super::activity;
use super::length::LengthBytes;
use super::options::{EncoderOptions, Header};
use super::sink::{Output, Sink};
use super::target::Target;
use super::types;

/// Writing stopped.
#[derive(Debug, PartialEq, Eq)]
pub enum EncodeError<E> {
    /// The sink failed.
    Sink(E),
    /// Something has no form in the target's version.
    Unsupported(Unsupported),
}

/// Something that cannot be written for this target.
#[derive(Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// What it is, in words.
    pub kind: &'static str,
    /// The version that was to be written.
    pub target: Target,
    /// The database and the key that hold it, if a key does.
    pub place: Option<(usize, Vec<u8>)>,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unsupported { kind, target, place } = self;
        match place {
            Some((db, key)) => write!(f, "the {kind} at key '{}' of database {db}", key.escape_ascii())?,
            None => write!(f, "a {kind}")?,
        }
        write!(f, " cannot be written as {target}")
    }
}

impl<E: fmt::Display> fmt::Display for EncodeError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncodeError::Sink(error) => error.fmt(f),
            EncodeError::Unsupported(unsupported) => unsupported.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> error::Error for EncodeError<E> {}

impl<E> From<E> for EncodeError<E> {
    fn from(error: E) -> EncodeError<E> {
        EncodeError::Sink(error)
    }
}

/// What was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Written {
    /// Bytes from the magic to the checksum.
    pub bytes: u64,
    /// Keys.
    pub keys: u64,
}

/// Writes one snapshot in one version: `begin`, then `select_db` and its keys for each database, then `finish`.
pub struct Encoder<S> {
    output: Output<S>,
    options: EncoderOptions,
    keys: u64,
}

impl<S: Sink> Encoder<S> {
    /// A writer into this sink. Nothing is written yet.
    pub fn new(sink: S, options: EncoderOptions) -> Encoder<S> {
        Encoder { output: Output::new(sink, options.checksum), options, keys: 0 }
    }

    /// What was written so far.
    pub fn written(&self) -> Written {
        Written { bytes: self.output.written(), keys: self.keys }
    }

    /// Writes the magic, the facts about the file and the function libraries.
    pub fn begin(&mut self, header: &Header) -> Result<(), EncodeError<S::Error>> {
        let target = self.options.target;
        if !header.functions.is_empty() && !target.has_functions() {
            return Err(EncodeError::Unsupported(Unsupported { kind: "function library", target, place: None }));
        }
        self.output.put(&target.magic())?;
        self.aux(b"redis-ver", header.server_version.as_bytes())?;
        self.aux_int(b"redis-bits", 64)?;
        self.aux_int(b"ctime", header.created_s)?;
        self.aux_int(b"used-mem", i64::try_from(header.used_memory).unwrap_or(i64::MAX))?;
        if let Some(replication) = header.replication {
            self.aux_int(b"repl-stream-db", replication.stream_db)?;
            self.aux(b"repl-id", replication.id.as_bytes())?;
            self.aux_int(b"repl-offset", i64::try_from(replication.offset).unwrap_or(i64::MAX))?;
        }
        self.aux_int(b"aof-base", i64::from(header.aof_base))?;
        for code in &header.functions {
            self.output.put_byte(types::OP_FUNCTION_2)?;
            value::put_string(&mut self.output, code, self.options.compression)?;
        }
        Ok(())
    }

    /// Says that the following keys are those of this database, and how many they are.
    pub fn select_db(&mut self, db: usize, keys: usize, expires: usize) -> Result<(), EncodeError<S::Error>> {
        self.output.put_byte(types::OP_SELECT_DB)?;
        self.length(db as u64)?;
        self.output.put_byte(types::OP_RESIZE_DB)?;
        self.length(keys as u64)?;
        self.length(expires as u64)
    }

    /// Writes one key of the selected database.
    pub fn key(&mut self, item: &Item<'_>) -> Result<(), EncodeError<S::Error>> {
        let target = self.options.target;
        if value::has_field_deadlines(item.value) && !target.has_field_deadlines() {
            let place = Some((item.db, item.key.to_vec()));
            return Err(EncodeError::Unsupported(Unsupported { kind: "hash with deadlines of fields", target, place }));
        }
        if let ValueRef::Stream(stream) = item.value
            && target.stream_type() < types::STREAM_3
            && let Some(text) = activity::text_of(stream)
        {
            self.aux(activity::FIELD, text.as_bytes())?;
        }
        if let Some(at) = item.expire_at {
            self.output.put_byte(types::OP_EXPIRE_MS)?;
            self.output.put(&at.0.to_le_bytes())?;
        }
        match self.options.usage {
            None => {}
            Some(clock) if clock.counts_uses() => {
                self.output.put(&[types::OP_FREQUENCY, clock.frequency(item.lru)])?;
            }
            Some(clock) => {
                self.output.put_byte(types::OP_IDLE)?;
                self.length(u64::from(clock.idle_seconds(item.lru)))?;
            }
        }
        self.output.put_byte(value::type_of(item.value, target))?;
        value::put_string(&mut self.output, item.key, self.options.compression)?;
        value::put_value(&mut self.output, item.value, target, self.options.compression)?;
        self.keys += 1;
        Ok(())
    }

    /// Writes the end and hands the last bytes to the sink.
    pub fn finish(&mut self) -> Result<Written, EncodeError<S::Error>> {
        self.output.put_byte(types::OP_EOF)?;
        let checksum = self.output.checksum()?;
        self.output.put(&checksum.to_le_bytes())?;
        self.output.flush()?;
        Ok(self.written())
    }

    /// The sink, everything written having been handed to it.
    pub fn into_sink(self) -> Result<S, S::Error> {
        self.output.into_sink()
    }

    fn aux(&mut self, field: &[u8], text: &[u8]) -> Result<(), EncodeError<S::Error>> {
        self.output.put_byte(types::OP_AUX)?;
        value::put_string(&mut self.output, field, false)?;
        Ok(value::put_string(&mut self.output, text, false)?)
    }

    fn aux_int(&mut self, field: &[u8], value: i64) -> Result<(), EncodeError<S::Error>> {
        self.aux(field, itoa::Buffer::new().format(value).as_bytes())
    }

    fn length(&mut self, length: u64) -> Result<(), EncodeError<S::Error>> {
        Ok(self.output.put(LengthBytes::of(length).as_slice())?)
    }
}

/// Writes a whole snapshot, `header` first.
pub fn encode_snapshot<S: Sink>(
    snapshot: &mut Snapshot,
    header: &Header,
    encoder: &mut Encoder<S>,
) -> Result<Written, EncodeError<S::Error>> {
    encode_snapshot_many(snapshot, header, std::slice::from_mut(encoder)).pop().expect("one result for one encoder")
}

/// Writes a whole snapshot to several receivers in one walk, each in its own version. One that fails is left behind and
/// does not stop the others; when none is left the walk ends.
pub fn encode_snapshot_many<S: Sink>(
    snapshot: &mut Snapshot,
    header: &Header,
    encoders: &mut [Encoder<S>],
) -> Vec<Result<Written, EncodeError<S::Error>>> {
    let sizes: Vec<(usize, usize, usize)> = snapshot.databases().collect();
    let results = encoders.iter_mut().map(|encoder| encoder.begin(header)).collect();
    let mut receivers = Receivers { encoders, results };
    let mut selected = None;
    while receivers.any_left()
        && snapshot.next_block(|item| {
            if selected != Some(item.db) {
                selected = Some(item.db);
                let (_, keys, expires) = sizes.iter().find(|(db, ..)| *db == item.db).copied().unwrap_or_default();
                receivers.each(|encoder| encoder.select_db(item.db, keys, expires));
            }
            receivers.each(|encoder| encoder.key(&item));
        })
    {}
    receivers.finish()
}

/// Those that one walk feeds, and whether each is still sound.
struct Receivers<'a, S: Sink> {
    encoders: &'a mut [Encoder<S>],
    results: Vec<Result<(), EncodeError<S::Error>>>,
}

impl<S: Sink> Receivers<'_, S> {
    fn any_left(&self) -> bool {
        self.results.iter().any(Result::is_ok)
    }

    fn each(&mut self, mut step: impl FnMut(&mut Encoder<S>) -> Result<(), EncodeError<S::Error>>) {
        for (encoder, result) in self.encoders.iter_mut().zip(&mut self.results) {
            if result.is_ok() {
                *result = step(encoder);
            }
        }
    }

    fn finish(self) -> Vec<Result<Written, EncodeError<S::Error>>> {
        let finish = |(encoder, result): (&mut Encoder<S>, Result<_, _>)| result.and_then(|()| encoder.finish());
        self.encoders.iter_mut().zip(self.results).map(finish).collect()
    }
}
