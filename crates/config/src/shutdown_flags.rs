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
    /// Not while others count on the server: a word of Valkey 9 about clusters. Outside of one nobody does.
    pub safe: bool,
    /// Hand the slots over first: a word of Valkey 9 about clusters. Outside of one there are none.
    pub failover: bool,
}

const WORDS: [&str; 7] = ["default", "save", "nosave", "now", "force", "safe", "failover"];

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
                b"safe" => flags.safe = true,
                b"failover" => flags.failover = true,
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
            (self.safe, "safe"),
            (self.failover, "failover"),
        ];
        let words: Vec<&str> = chosen.iter().filter(|(set, _)| *set).map(|(_, word)| *word).collect();
        if words.is_empty() { WORDS[0].to_owned() } else { words.join(" ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Valkey 9.1 takes these words everywhere, and shows them in this order.
    #[test]
    fn the_words_of_valkey_9_are_taken_and_shown() {
        let parse = |text: &str| {
            let words: Vec<Vec<u8>> = text.split(' ').map(|word| word.as_bytes().to_vec()).collect();
            ShutdownFlags::parse(&words).map(ShutdownFlags::text)
        };
        assert_eq!(parse("failover SAFE now").as_deref(), Ok("now safe failover"));
        assert_eq!(parse("default").as_deref(), Ok("default"));
        assert!(parse("later").is_err());
    }
}
