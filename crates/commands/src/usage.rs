//! The notation in which a row lists its arguments, and its reader: COMMAND DOCS shows the tree, the command line's
//! help the text.
//!
//! ```text
//! name:type            one argument; types: string integer double key pattern unix-time
//! name:key#0           a key, found by key specification 0
//! name:type'shown'     shown under another name
//! WORD                 a bare word whose name is the word in lower case; name@WORD where it differs
//! WORD=argument        a word before the argument
//! name<a | b>          one of several        name{a b}   several in a row
//! argument...          may be repeated       argument+...  may be repeated, its word each time
//! argument^7.0.0       since that version    argument~6.2.0  deprecated since
//! [argument]           may be left out
//! ```

/// What kind of argument it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A value of the named type: `string`, `integer`, `double`, `key`, `pattern`, `unix-time`.
    Value(String),
    /// A word by itself.
    PureToken,
    /// One of these.
    OneOf(Vec<Argument>),
    /// These in a row.
    Block(Vec<Argument>),
}

/// One argument of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// What kind it is.
    pub shape: Shape,
    /// The name to show, if it is not the name.
    pub display: Option<String>,
    /// Which key specification finds it.
    pub key_spec: Option<u32>,
    /// The word before it, or the word itself.
    pub token: Option<String>,
    /// The version that brought it.
    pub since: Option<String>,
    /// The version that deprecated it.
    pub deprecated_since: Option<String>,
    /// It may be left out.
    pub optional: bool,
    /// It may be repeated.
    pub multiple: bool,
    /// Its word is repeated with it.
    pub multiple_token: bool,
}

/// Reads a row's `usage`. Rows are constants, so a mistake in one is a bug: it panics and the tests find it.
pub fn parse(usage: &str) -> Vec<Argument> {
    let mut reader = Reader { text: usage.as_bytes(), at: 0 };
    let arguments = reader.sequence();
    assert!(reader.at == reader.text.len(), "usage ends early at byte {} of {usage:?}", reader.at);
    arguments
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn eat(&mut self, word: &str) -> bool {
        let hit = self.text[self.at..].starts_with(word.as_bytes());
        if hit {
            self.at += word.len();
        }
        hit
    }

    fn expect(&mut self, word: &str) {
        assert!(self.eat(word), "usage wants {word:?} at byte {} of {:?}", self.at, String::from_utf8_lossy(self.text));
    }

    fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> String {
        let start = self.at;
        while self.at < self.text.len() && fits(self.text[self.at]) {
            self.at += 1;
        }
        String::from_utf8_lossy(&self.text[start..self.at]).into_owned()
    }

    fn sequence(&mut self) -> Vec<Argument> {
        let mut arguments = Vec::new();
        while !matches!(self.peek(), 0 | b'}' | b'>' | b'|') {
            arguments.push(self.argument());
            self.take_while(|b| b == b' ');
        }
        arguments
    }

    fn argument(&mut self) -> Argument {
        let optional = self.eat("[");
        let mut token = None;
        if self.eat("\"\"=") {
            token = Some(String::new());
        }
        let mut word = self.take_while(is_name);
        if self.eat("=") {
            token = Some(std::mem::take(&mut word));
            word = self.take_while(is_name);
        }
        let mut argument = self.body(word, token);
        argument.optional = optional;
        self.suffixes(&mut argument);
        if optional {
            self.expect("]");
        }
        argument
    }

    fn body(&mut self, name: String, mut token: Option<String>) -> Argument {
        let mut key_spec = None;
        let (name, shape) = if self.eat(":") {
            let kind = self.take_while(|b| b.is_ascii_lowercase() || b == b'-');
            if self.eat("#") {
                key_spec = self.take_while(|b| b.is_ascii_digit()).parse().ok();
            }
            (name, Shape::Value(kind))
        } else if self.eat("<") {
            let mut choices = self.sequence();
            while self.eat("|") {
                self.take_while(|b| b == b' ');
                choices.extend(self.sequence());
            }
            self.expect(">");
            (name, Shape::OneOf(choices))
        } else if self.eat("{") {
            let parts = self.sequence();
            self.expect("}");
            (name, Shape::Block(parts))
        } else if self.eat("@") {
            let sign = if self.eat("~") {
                "~"
            } else if self.eat("=") {
                "="
            } else {
                ""
            };
            token = Some(if sign.is_empty() { self.take_while(is_name) } else { sign.to_owned() });
            (name, Shape::PureToken)
        } else {
            let lower = name.to_ascii_lowercase();
            token = Some(name);
            (lower, Shape::PureToken)
        };
        let display = self.eat("'").then(|| {
            let shown = self.take_while(|b| b != b'\'');
            self.expect("'");
            shown
        });
        Argument {
            name,
            shape,
            display,
            key_spec,
            token,
            since: None,
            deprecated_since: None,
            optional: false,
            multiple: false,
            multiple_token: false,
        }
    }

    fn suffixes(&mut self, argument: &mut Argument) {
        let version = |b: u8| b.is_ascii_digit() || b == b'.';
        if self.eat("^") {
            argument.since = Some(self.version(version));
        }
        if self.eat("~") {
            argument.deprecated_since = Some(self.version(version));
        }
        if self.eat("+...") {
            argument.multiple = true;
            argument.multiple_token = true;
        } else if self.eat("...") {
            argument.multiple = true;
        }
    }

    /// Three numbers; the dots of a repetition behind them are not part of it.
    fn version(&mut self, fits: impl Fn(u8) -> bool) -> String {
        let text = self.take_while(fits);
        let bare = text.trim_end_matches('.');
        self.at -= text.len() - bare.len();
        bare.to_owned()
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*' | b'$' | b'!' | b'.' | b'+')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usage_reads_into_the_tree_of_command_docs() {
        let arguments = parse(
            "key:key#0 [condition<NX | XX>^3.0.2] [GET=get-pattern:pattern#1'pattern'+...] data{score:double member:string}...",
        );
        assert_eq!(arguments.len(), 4);
        assert_eq!(arguments[0].key_spec, Some(0));
        let Shape::OneOf(choices) = &arguments[1].shape else { panic!("a choice") };
        assert_eq!((choices[1].name.as_str(), choices[1].token.as_deref()), ("xx", Some("XX")));
        assert_eq!(arguments[1].since.as_deref(), Some("3.0.2"));
        assert!(arguments[1].optional && !arguments[1].multiple);
        assert!(arguments[2].multiple_token);
        assert_eq!(arguments[2].display.as_deref(), Some("pattern"));
        let Shape::Block(parts) = &arguments[3].shape else { panic!("a block") };
        assert_eq!(parts.len(), 2);
        assert!(arguments[3].multiple);
    }

    #[test]
    fn a_version_before_a_repetition_ends_at_its_last_digit() {
        let arguments = parse("[channel:string^7.0.0...]");
        assert_eq!(arguments[0].since.as_deref(), Some("7.0.0"));
        assert!(arguments[0].multiple);
    }
}
