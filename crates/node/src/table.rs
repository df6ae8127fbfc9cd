//! All commands by name: the data commands of `commands` and the server commands of this crate, with what is
//! counted for each.

use commands::{DataRow, Error, Flags, Meta, Outcome, Reach, Row, is, quotable};
use resp::Args;

use crate::ahead::KeyRange;
use crate::client::ConnId;
use crate::node::Node;

/// The function of a server command.
pub type ServerFn = fn(&mut Node, ConnId, &Args<'_>) -> Outcome;

/// A server command.
pub type ServerRow = Row<ServerFn>;

/// Names a command or subcommand.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CommandId(u16);

impl CommandId {
    /// Its place among all commands and subcommands: dense, for tables beside this one.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The row behind a command.
#[derive(Clone, Copy)]
pub enum CommandRow {
    /// A data command.
    Data(&'static DataRow),
    /// A server command.
    Server(&'static ServerRow),
}

impl CommandRow {
    /// What describes it.
    pub fn meta(&self) -> &'static Meta {
        match self {
            CommandRow::Data(row) => &row.meta,
            CommandRow::Server(row) => &row.meta,
        }
    }

    /// Its name without its container's.
    pub fn name(&self) -> &'static str {
        match self {
            CommandRow::Data(row) => row.name,
            CommandRow::Server(row) => row.name,
        }
    }
}

/// What is counted for a command: INFO commandstats.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommandStats {
    /// How often it ran.
    pub calls: u64,
    /// How long in all, in nanoseconds.
    pub nanos: u64,
    /// How often it was refused before it ran.
    pub rejected: u64,
    /// How often it ran and replied an error.
    pub failed: u64,
}

/// A command in the table.
pub struct Command {
    /// Its row.
    pub row: CommandRow,
    /// `get`, `config|get`.
    pub full_name: String,
    /// Its subcommands.
    pub subcommands: Vec<CommandId>,
    /// Whether the first word of a request is enough to know that it asks for this command.
    pub is_known_by_name: bool,
    /// What is counted for it.
    pub stats: CommandStats,
    /// It never takes long by itself, and may share a reading of the clock with others.
    pub is_brief: bool,
    /// Where its keys stand, if that is simple.
    pub(crate) keys: Option<KeyRange>,
    /// Which element it looks for.
    pub(crate) reach: Reach,
}

/// Why a command can't have another name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RenameError {
    /// There is no command of the old name.
    NoSuchCommand,
    /// The new name is another command's.
    NameTaken,
}

/// Commands of Redis 7.2 that are not built yet: a file of settings may well name them.
const NOT_BUILT: [&str; 11] =
    ["acl", "eval", "eval_ro", "evalsha", "evalsha_ro", "fcall", "fcall_ro", "function", "migrate", "module", "script"];

/// Judges `rename-command`: the commands that are renamed but not built yet, or why this can't be done.
pub fn check_renames(config: &config::Config) -> Result<Vec<String>, String> {
    let mut table = CommandTable::new(commands::GROUPS, crate::server_commands::GROUPS);
    let mut missing = Vec::new();
    for (old, new) in &config.rename_command {
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let refused = |why: &str| Err(format!("rename-command {} {}: {why}", text(old), text(new)));
        match table.rename(old, new) {
            Ok(()) => {}
            // An operator who takes it away gets what was asked for.
            Err(RenameError::NoSuchCommand) if NOT_BUILT.iter().any(|name| is(old, name)) => missing.push(text(old)),
            Err(RenameError::NoSuchCommand) => return refused("No such command in rename-command"),
            Err(RenameError::NameTaken) => return refused("Target command name already exists"),
        }
    }
    Ok(missing)
}

/// All commands.
pub struct CommandTable {
    commands: Vec<Command>,
    /// Open addressing over the top-level names, the length a power of two; 0 is free, else index + 1.
    index: Vec<u16>,
    names: Vec<(Vec<u8>, CommandId)>,
}

impl CommandTable {
    /// The table of these rows.
    pub fn new(data: &[&'static [DataRow]], server: &[&'static [ServerRow]]) -> CommandTable {
        let mut table = CommandTable { commands: Vec::new(), index: Vec::new(), names: Vec::new() };
        let data = data.iter().flat_map(|rows| rows.iter()).map(CommandRow::Data);
        let server = server.iter().flat_map(|rows| rows.iter()).map(CommandRow::Server);
        for row in data.chain(server) {
            let id = table.add(row, None);
            table.names.push((row.name().as_bytes().to_vec(), id));
        }
        table.build_index();
        table
    }

    /// All commands under the names that the settings give them.
    pub fn of_config(config: &config::Config) -> CommandTable {
        let mut table = CommandTable::new(commands::GROUPS, crate::server_commands::GROUPS);
        for (old, new) in &config.rename_command {
            // `check_renames` has judged it; what is not there needs no new name.
            let _ = table.rename(old, new);
        }
        table
    }

    fn add(&mut self, row: CommandRow, container: Option<&str>) -> CommandId {
        let id = CommandId(self.commands.len() as u16);
        let full_name = match container {
            Some(container) => format!("{container}|{}", row.name()),
            None => row.name().to_owned(),
        };
        let name = full_name.clone();
        let stats = CommandStats::default();
        // SET counts as slow with the peers, because of what it may free.
        let is_brief = match row {
            CommandRow::Data(row) => row.meta.flags.has(Flags::FAST) || row.meta.complexity == "O(1)",
            CommandRow::Server(row) => row.meta.flags.has(Flags::FAST),
        };
        let (keys, reach) = (KeyRange::of(row.meta()), row.meta().reach);
        let subcommands = match row {
            CommandRow::Data(row) => row.subcommands.iter().map(CommandRow::Data).collect::<Vec<_>>(),
            CommandRow::Server(row) => row.subcommands.iter().map(CommandRow::Server).collect(),
        };
        let is_known_by_name = container.is_none() && subcommands.is_empty();
        let none = Vec::new();
        self.commands.push(Command {
            row,
            full_name,
            subcommands: none,
            is_known_by_name,
            stats,
            is_brief,
            keys,
            reach,
        });
        let ids = subcommands.into_iter().map(|sub| self.add(sub, Some(&name))).collect();
        self.commands[usize::from(id.0)].subcommands = ids;
        id
    }

    /// Gives a command another name, or none: rename-command.
    pub fn rename(&mut self, old: &[u8], new: &[u8]) -> Result<(), RenameError> {
        let id = self.find_name(old).ok_or(RenameError::NoSuchCommand)?;
        if self.find_name(new).is_some_and(|other| other != id) {
            return Err(RenameError::NameTaken);
        }
        self.names.retain(|(name, _)| !name.eq_ignore_ascii_case(old));
        if !new.is_empty() {
            self.names.push((new.to_ascii_lowercase(), id));
        }
        self.build_index();
        Ok(())
    }

    fn build_index(&mut self) {
        let size = (self.names.len() * 4).next_power_of_two().max(16);
        self.index = vec![0; size];
        for (i, (name, _)) in self.names.iter().enumerate() {
            let mut at = hash_name(name) & (size - 1);
            while self.index[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            self.index[at] = i as u16 + 1;
        }
    }

    /// The command of that name, in any case.
    pub fn find_name(&self, name: &[u8]) -> Option<CommandId> {
        let mask = self.index.len() - 1;
        let mut at = hash_name(name) & mask;
        loop {
            let found = self.index[at].checked_sub(1)?;
            let (candidate, id) = &self.names[usize::from(found)];
            if candidate.eq_ignore_ascii_case(name) {
                return Some(*id);
            }
            at = (at + 1) & mask;
        }
    }

    /// The command or subcommand that a request names.
    pub fn find(&self, args: &Args<'_>) -> Result<CommandId, Error> {
        self.find_present(args).ok_or_else(|| match self.find_name(&args[0]) {
            None => unknown_command(args),
            Some(_) => unknown_subcommand(args),
        })
    }

    /// The command or subcommand that a request names, if there is one.
    #[inline]
    pub fn find_present(&self, args: &Args<'_>) -> Option<CommandId> {
        let id = self.find_name(&args[0])?;
        let command = self.get(id);
        if command.subcommands.is_empty() || args.len() < 2 {
            return Some(id);
        }
        let wanted = &args[1];
        let mut all = command.subcommands.iter().copied();
        all.find(|sub| self.get(*sub).row.name().as_bytes().eq_ignore_ascii_case(wanted))
    }

    /// A command.
    pub fn get(&self, id: CommandId) -> &Command {
        &self.commands[usize::from(id.0)]
    }

    /// What is counted for a command.
    pub fn stats_mut(&mut self, id: CommandId) -> &mut CommandStats {
        &mut self.commands[usize::from(id.0)].stats
    }

    /// The top-level commands, by the names they go by now.
    pub fn top_level(&self) -> impl Iterator<Item = CommandId> {
        self.names.iter().map(|(_, id)| *id)
    }

    /// All commands and subcommands.
    pub fn all(&self) -> impl Iterator<Item = (CommandId, &Command)> {
        self.commands.iter().enumerate().map(|(i, command)| (CommandId(i as u16), command))
    }

    /// Forgets what was counted: CONFIG RESETSTAT.
    pub fn reset_stats(&mut self) {
        self.commands.iter_mut().for_each(|command| command.stats = CommandStats::default());
    }
}

/// FNV-1a over the lower-cased name: nothing is copied.
fn hash_name(name: &[u8]) -> usize {
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)) as usize
}

/// How much of a request the refusal of an unknown command quotes, in bytes.
const QUOTED_BYTES_MAX: usize = 128;

fn unknown_command(args: &Args<'_>) -> Error {
    let mut text = b"ERR unknown command '".to_vec();
    text.extend_from_slice(quotable(&args[0][..args[0].len().min(QUOTED_BYTES_MAX)]));
    text.extend_from_slice(b"', with args beginning with: ");
    let mut quoted = 0;
    for arg in args.tail(1).iter() {
        if quoted >= QUOTED_BYTES_MAX {
            break;
        }
        let part = quotable(&arg[..arg.len().min(QUOTED_BYTES_MAX - quoted)]);
        text.push(b'\'');
        text.extend_from_slice(part);
        text.extend_from_slice(b"' ");
        quoted += part.len() + 3;
    }
    Error::Bytes(text)
}

fn unknown_subcommand(args: &Args<'_>) -> Error {
    let mut text = b"ERR unknown subcommand '".to_vec();
    text.extend_from_slice(quotable(&args[1][..args[1].len().min(QUOTED_BYTES_MAX)]));
    text.extend_from_slice(b"'. Try ");
    text.extend_from_slice(&args[0].to_ascii_uppercase());
    text.extend_from_slice(b" HELP.");
    Error::Bytes(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_called_not_built_is_not_built() {
        let table = CommandTable::new(commands::GROUPS, crate::server_commands::GROUPS);
        for name in NOT_BUILT {
            assert!(table.find_name(name.as_bytes()).is_none(), "{name} is there");
        }
    }
}
