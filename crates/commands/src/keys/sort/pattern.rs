//! The patterns of SORT's BY and GET: `weight_*`, `object_*->field`, `#`.

use keyspace::{Access, Db, ValueRef};

/// A pattern: the first star stands for the element.
pub(super) struct Pattern<'a> {
    text: &'a [u8],
    star: Option<usize>,
    /// Where the arrow before a field of a hash stands.
    arrow: Option<usize>,
}

impl<'a> Pattern<'a> {
    /// Takes a pattern apart. An arrow counts only behind the star and with a field behind it.
    pub(super) fn new(text: &'a [u8]) -> Pattern<'a> {
        let star = memchr::memchr(b'*', text);
        let arrow = star
            .and_then(|star| memchr::memmem::find(&text[star + 1..], b"->").map(|at| star + 1 + at))
            .filter(|at| at + 2 < text.len());
        Pattern { text, star, arrow }
    }

    /// Whether the pattern depends on the element.
    pub(super) fn has_star(&self) -> bool {
        self.star.is_some()
    }

    /// What the pattern stands for with this element: the element itself for `#`, else the string or the hash field of
    /// the key it names, None if that is not there or of another type.
    pub(super) fn fetch(&self, db: &mut Db<'_>, element: &[u8]) -> Option<Vec<u8>> {
        if self.text == b"#" {
            return Some(element.to_vec());
        }
        let star = self.star?;
        let end = self.arrow.unwrap_or(self.text.len());
        let key = [&self.text[..star], element, &self.text[star + 1..end]].concat();
        let moment = db.moment();
        let found = match (db.get(&key)?, self.arrow) {
            (ValueRef::String(value), None) => Some(value.as_bytes().into_owned()),
            (ValueRef::Hash(hash), Some(arrow)) => {
                hash.at(moment).get(&self.text[arrow + 2..]).map(|value| value.to_vec())
            }
            _ => None,
        };
        if let Some(arrow) = self.arrow {
            db.expire_fields(&key, [&self.text[arrow + 2..]], Access::Read);
        }
        found
    }
}
