//! The file of older replication ids: under which ids the stream was written before, and up to where each of them
//! names it. Without the file only the present id is known, and replicas of an older one need a full synchronisation.

use base::ReplId;

const FIRST_LINE: &str = "# Older replication ids of this append-only file, and the last byte that each names.";

/// The file's text; the newest id first.
pub fn format_ids(ids: &[(ReplId, u64)]) -> String {
    let lines = ids.iter().map(|(id, end)| format!("replid {id} end {end}\n"));
    format!("{FIRST_LINE}\n{}", lines.collect::<String>())
}

/// Reads the file. None: a line is damaged, so that nothing in it is to be trusted.
pub fn parse_ids(text: &[u8]) -> Option<Vec<(ReplId, u64)>> {
    let text = std::str::from_utf8(text).ok()?;
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let ids = lines.map(|line| {
        let mut words = line.split(' ');
        let replid = ReplId::parse(words.nth(1)?.as_bytes())?;
        Some((replid, words.nth(1)?.parse().ok()?))
    });
    ids.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_and_damage_is_seen() {
        let ids = vec![(ReplId::from_entropy([1; 20]), 77), (ReplId::from_entropy([2; 20]), 0)];
        let text = format_ids(&ids);
        assert_eq!(parse_ids(text.as_bytes()), Some(ids));
        assert_eq!(parse_ids(text.replace("end 77", "end x").as_bytes()), None);
        assert_eq!(parse_ids(b"replid 123 end 1\n"), None);
    }
}
