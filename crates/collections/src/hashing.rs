//! The hash behind tables: one secret for the whole process, so that a SCAN cursor means the same in every copy of a table.

use std::hash::Hasher;
use std::sync::OnceLock;

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;

/// Used when nobody sets a seed: tests, tools, and the simulator's repeatable runs.
const DEFAULT_SEED: [u64; 2] = [0x6c6f_636b_7374_6570, 0x7061_7065_7263_7574];

static STATE: OnceLock<State> = OnceLock::new();

/// What the hash starts from, and the numbers that the text is mixed with. Both must be unknown to clients: who knows
/// the latter can write texts that multiply by zero, whatever the former is.
struct State {
    start: u64,
    mixed: SharedSeed,
}

impl State {
    fn new(seed: [u64; 2]) -> State {
        State { start: seed[0], mixed: SharedSeed::from_u64(seed[1]) }
    }
}

/// Sets the process's hash seed; to be called before the first table is built. Returns false, and changes nothing, if
/// a seed is already in use. A server must set a secret one: it is what keeps chosen keys from colliding.
pub fn set_hash_seed(seed: [u64; 2]) -> bool {
    STATE.set(State::new(seed)).is_ok()
}

/// Hash of an element's text. Its leading bits choose the node, its last byte is the tag.
pub(crate) fn hash_bytes(bytes: &[u8]) -> u64 {
    let state = STATE.get_or_init(|| State::new(DEFAULT_SEED));
    let mut hasher = FoldHasher::with_seed(state.start, &state.mixed);
    hasher.write(bytes);
    hasher.finish()
}

/// Texts of 16 bytes that all have the same hash under the seed that tests use.
#[cfg(test)]
pub(crate) fn colliding_texts() -> impl Iterator<Item = Vec<u8>> {
    // Such a text's second word is multiplied with the first after it was mixed with the second of the six numbers.
    let numbers = format!("{:?}", SharedSeed::from_u64(DEFAULT_SEED[1]));
    let mut numbers = numbers.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    let second: u64 = numbers.nth(1).and_then(|number| number.parse().ok()).expect("six numbers");
    (0u64..).map(move |number| [number.to_le_bytes(), second.to_le_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_collide_under_one_seed_do_not_under_another() {
        let texts: Vec<Vec<u8>> = colliding_texts().take(100).collect();
        assert!(texts.iter().all(|text| hash_bytes(text) == hash_bytes(&texts[0])));
        let other = State::new([DEFAULT_SEED[0], 1]);
        let hashes: std::collections::HashSet<u64> = texts
            .iter()
            .map(|text| {
                let mut hasher = FoldHasher::with_seed(other.start, &other.mixed);
                hasher.write(text);
                hasher.finish()
            })
            .collect();
        assert_eq!(hashes.len(), texts.len());
    }
}
