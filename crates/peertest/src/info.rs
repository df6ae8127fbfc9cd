//! INFO as a map.

use std::collections::BTreeMap;
use std::fmt;

/// The fields of an INFO reply, all sections together.
#[derive(Clone, Default)]
pub struct Info {
    fields: BTreeMap<String, String>,
}

impl Info {
    /// Parses the text of a reply.
    pub fn parse(text: &str) -> Info {
        let fields = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(':'));
        Info { fields: fields.map(|(name, value)| (name.to_owned(), value.trim_end().to_owned())).collect() }
    }

    /// A field's text, if the server has that field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// A field that must be there.
    #[track_caller]
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_else(|| panic!("INFO has no field {name}: {self:?}"))
    }

    /// A field that must be there and be a number.
    #[track_caller]
    pub fn number(&self, name: &str) -> i64 {
        let text = self.text(name);
        text.parse().unwrap_or_else(|_| panic!("INFO says {name}:{text}, which is no number"))
    }
}

impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.fields).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Info;

    #[test]
    fn fields_of_all_sections_are_found_and_headings_are_not() {
        let info =
            Info::parse("# Server\r\nredis_version:7.2.4\r\n\r\n# Stats\r\nsync_full:3\r\nslave0:ip=::1,port=1\r\n");
        assert_eq!(info.text("redis_version"), "7.2.4");
        assert_eq!(info.number("sync_full"), 3);
        assert_eq!(info.get("slave0"), Some("ip=::1,port=1"));
        assert_eq!(info.get("Stats"), None);
    }
}
