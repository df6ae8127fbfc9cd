//! A reply read back, as an owned tree.

/// One RESP2 or RESP3 value.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// `+text`
    Simple(Vec<u8>),
    /// `-CODE text`, or the RESP3 blob error
    Error(Vec<u8>),
    /// `:n`
    Int(i64),
    /// `$n` and the bytes
    Bulk(Vec<u8>),
    /// `$-1` or `_`
    Null,
    /// `*-1`
    NullArray,
    /// `*n`
    Array(Vec<Value>),
    /// `%n`, in the order sent
    Map(Vec<(Value, Value)>),
    /// `~n`
    Set(Vec<Value>),
    /// `>n`
    Push(Vec<Value>),
    /// `,x`
    Double(f64),
    /// `#t` or `#f`
    Bool(bool),
    /// `(digits`, as text
    BigNumber(Vec<u8>),
    /// `=n` with a three-letter format
    Verbatim {
        /// `txt` or `mkd`.
        format: [u8; 3],
        /// The text without the format.
        text: Vec<u8>,
    },
}

impl Value {
    /// The text of a simple, bulk, verbatim or big-number value.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Simple(text) | Value::Bulk(text) | Value::BigNumber(text) | Value::Verbatim { text, .. } => {
                Some(text)
            }
            _ => None,
        }
    }

    /// The same as UTF-8, if it is.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }

    /// The number of an integer, or of text that is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(n) => Some(*n),
            other => base::numbers::parse_i64(other.as_bytes()?),
        }
    }

    /// The elements of an array, set or push.
    pub fn as_slice(&self) -> Option<&[Value]> {
        match self {
            Value::Array(items) | Value::Set(items) | Value::Push(items) => Some(items),
            _ => None,
        }
    }

    /// The text of an error, code included.
    pub fn as_error(&self) -> Option<&[u8]> {
        match self {
            Value::Error(text) => Some(text),
            _ => None,
        }
    }

    /// Whether this is either null.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null | Value::NullArray)
    }
}

/// Short and readable, as assertions in tests show it: `["k", 1, -ERR no]`.
impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Simple(text) => write!(f, "+{}", text.escape_ascii()),
            Value::Error(text) => write!(f, "-{}", text.escape_ascii()),
            Value::Int(n) => write!(f, "{n}"),
            Value::Bulk(text) => write!(f, "\"{}\"", text.escape_ascii()),
            Value::Null => write!(f, "null"),
            Value::NullArray => write!(f, "null-array"),
            Value::Array(items) => f.debug_list().entries(items).finish(),
            Value::Map(pairs) => f.debug_map().entries(pairs.iter().map(|(key, value)| (key, value))).finish(),
            Value::Set(items) => f.debug_set().entries(items).finish(),
            Value::Push(items) => {
                f.write_str(">")?;
                f.debug_list().entries(items).finish()
            }
            Value::Double(value) => write!(f, ",{value}"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::BigNumber(digits) => write!(f, "({}", digits.escape_ascii()),
            Value::Verbatim { format, text } => {
                write!(f, "={}:\"{}\"", format.escape_ascii(), text.escape_ascii())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn a_value_shows_its_text_instead_of_numbers() {
        let text = |text: &str| text.as_bytes().to_vec();
        let value = Value::Array(vec![
            Value::Bulk(text("k\n")),
            Value::Int(1),
            Value::Error(text("ERR no")),
            Value::Map(vec![(Value::Simple(text("a")), Value::Null)]),
        ]);
        assert_eq!(format!("{value:?}"), r#"["k\n", 1, -ERR no, {+a: null}]"#);
    }
}
