//! The command line: which of its words name a file or standard input, and the rest as lines of a file.

use crate::grammar::{quote, split_line};

/// What the words of a command line ask for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CommandLine {
    /// The configuration file: the first word, unless it begins with a `-`.
    pub file: Option<Vec<u8>>,
    /// Standard input holds settings: the first word, or the last, is a lone `-`.
    pub stdin: bool,
    /// The other words: `--name value value --name …`.
    pub arguments: Vec<Vec<u8>>,
}

impl CommandLine {
    /// Reads the words behind the program's name. A lone `-` in the middle is a value like any other.
    pub fn parse(words: &[Vec<u8>]) -> CommandLine {
        let mut parsed = CommandLine::default();
        let mut rest = words;
        if let Some((first, behind)) = words.split_first() {
            if first == b"-" {
                parsed.stdin = true;
                rest = behind;
            } else if !first.starts_with(b"-") {
                parsed.file = Some(first.clone());
                rest = behind;
            }
        }
        if let Some((last, before)) = rest.split_last()
            && last == b"-"
        {
            parsed.stdin = true;
            rest = before;
        }
        parsed.arguments = rest.to_vec();
        parsed
    }
}

/// The arguments as lines of a file. `--name` begins a line; what stands in that same word behind a blank are values
/// already. The word behind a name is its value even if it begins with `--`: only `save` may stand alone, and means
/// no save points then. Words before the first name are a line of their own.
pub(crate) fn text_of(arguments: &[Vec<u8>]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut wants_value = false;
    let mut bare_save = false;
    for word in arguments {
        match word.strip_prefix(b"--") {
            Some(line) if !wants_value || bare_save => {
                if bare_save {
                    text.extend(b" \"\"");
                }
                text.push(b'\n');
                text.extend(line);
                wants_value = split_line(line).is_ok_and(|words| words.len() <= 1);
                bare_save = line.eq_ignore_ascii_case(b"save");
            }
            _ => {
                // One word stays one, whatever is in it.
                text.push(b' ');
                text.extend(quote(word));
                wants_value = false;
                bare_save = false;
            }
        }
    }
    if bare_save {
        text.extend(b" \"\"");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<u8>> {
        text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_lone_dash_is_standard_input_at_either_end_only() {
        for (line, file, stdin, arguments) in [
            ("- --port 1", None, true, "--port 1"),
            ("--port 1 -", None, true, "--port 1"),
            ("a.conf --port 1 -", Some("a.conf"), true, "--port 1"),
            ("a.conf - --port 1", Some("a.conf"), false, "- --port 1"),
            ("--masterauth - --port 1", None, false, "--masterauth - --port 1"),
            ("-x --port 1", None, false, "-x --port 1"),
        ] {
            let expected =
                CommandLine { file: file.map(|file| file.as_bytes().to_vec()), stdin, arguments: words(arguments) };
            assert_eq!(CommandLine::parse(&words(line)), expected, "{line}");
        }
    }

    #[test]
    fn a_word_behind_a_name_is_its_value_even_with_dashes() {
        // The texts that real servers show in their errors.
        for (line, text) in [
            ("--hz --timeout 5", "\nhz \"--timeout\" \"5\""),
            ("--masterauth -- --hz 20", "\nmasterauth \"--\"\nhz \"20\""),
            ("--save --hz 20", "\nsave \"\"\nhz \"20\""),
            ("--save", "\nsave \"\""),
            ("--save 900 1 --port 1", "\nsave \"900\" \"1\"\nport \"1\""),
            ("--port 1 -- --hz 20", "\nport \"1\"\n \"--hz\" \"20\""),
            ("--hz --save", "\nhz \"--save\""),
            ("port 1 ---hz 2", " \"port\" \"1\"\n-hz \"2\""),
        ] {
            assert_eq!(String::from_utf8(text_of(&words(line))).unwrap(), text, "{line}");
        }
        let whole = [b"--hz 20".to_vec(), b"--timeout".to_vec(), b"5".to_vec()];
        assert_eq!(text_of(&whole), b"\nhz 20\ntimeout \"5\"");
    }
}
