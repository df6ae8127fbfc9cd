//! Loads a data set on two threads: this one reads, checks and lays out keys, another puts them into the table.

use std::io::Read;
use std::sync::mpsc::sync_channel;
use std::thread;

use keyspace::Keyspace;
use persist::rdb::{Building, DecodeError, LoadOptions, LoadReport, LoadWatch, Loader, Part};

/// Parts on their way to the other thread at most.
const PARTS_WAITING_MAX: usize = 16;

/// Does what `persist::rdb::load_into` does. After an error the keyspace holds a part: drop it.
pub fn load_into<R: Read>(
    keyspace: &mut Keyspace,
    reader: R,
    options: &LoadOptions,
    watch: &mut (impl LoadWatch + ?Sized),
) -> Result<LoadReport, DecodeError> {
    let mut loader = Loader::new(keyspace, reader, options);
    let done = thread::scope(|scope| {
        let (sender, receiver) = sync_channel::<Part>(PARTS_WAITING_MAX);
        let mut building = Building::new(keyspace);
        let insert = move || {
            receiver.into_iter().try_for_each(|part| building.add(part))?;
            building.finish()
        };
        let Ok(inserter) = thread::Builder::new().name("load-keys".to_owned()).spawn_scoped(scope, insert) else {
            return Ok(false);
        };
        let read = loop {
            let part = match loader.next_part(watch) {
                Ok(Some(part)) => part,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            if sender.send(part).is_err() {
                break Ok(()); // The thread that has ended says why below.
            }
        };
        drop(sender);
        // What it meets stands before what is being read.
        inserter.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        read.map(|()| true)
    })?;
    // The system starts no further thread: then this one does it all.
    if done { Ok(loader.into_report()) } else { loader.run(keyspace, watch) }
}
