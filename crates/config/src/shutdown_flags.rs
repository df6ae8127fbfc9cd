//! How a signal ends the server: `shutdown-on-sigint` and `shutdown-on-sigterm`.

use crate::field::not_a_choice;

/// How a signal ends the server; all unset is `default`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ShutdownFlags {
    /// Save or not, whatever the save points say.
    pub save: Option<bool>,
    /// Wait for no replica.
    pub now: bool,
    /// End even if the save fails.
    pub force: bool,
}

const WORDS: [&str; 5] = ["default", "save", "nosave", "now", "force"];

impl ShutdownFlags {
    /// Reads the words; `default` beside others says nothing.
    pub(crate) fn parse(words: &[Vec<u8>]) -> Result<ShutdownFlags, String> {
        let mut flags = ShutdownFlags::default();
        if words.is_empty() {
            return Err(not_a_choice(&WORDS));
        }
        let (mut save, mut nosave) = (false, false);
        for word in words {
            match word.to_ascii_lowercase().as_slice() {
                b"default" => {}
                b"save" => save = true,
                b"nosave" => nosave = true,
                b"now" => flags.now = true,
                b"force" => flags.force = true,
                _ => return Err(not_a_choice(&WORDS)),
            }
        }
        if save && nosave {
            return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".to_owned());
        }
        flags.save = (save || nosave).then_some(save);
        Ok(flags)
    }

    /// The words, as CONFIG GET shows them.
    pub(crate) fn text(self) -> String {
        let chosen = [
            (self.save == Some(true), "save"),
            (self.save == Some(false), "nosave"),
            (self.now, "now"),
            (self.force, "force"),
        ];
        let words: Vec<&str> = chosen.iter().filter(|(set, _)| *set).map(|(_, word)| *word).collect();
        if words.is_empty() { WORDS[0].to_owned() } else { words.join(" ") }
    }
}
