//! When the consumers of a stream last got something, for the types of streams that have no place for it. An auxiliary field
//! in front of the key says it, which every server passes over that does not know it. So a file with streams can be in
//! version 10, which Redis 7.0 reads, without losing anything for us.

use collections::Stream;

/// The field's name. Its text is the Unix milliseconds of all consumers, in decimal and with spaces between, in the order in
/// which groups and consumers are written.
pub(super) const FIELD: &[u8] = b"lockstep-active";

/// The field's text, unless it follows from when the consumers were seen.
pub(super) fn text_of(stream: &Stream) -> Option<String> {
    let consumers = || stream.groups().flat_map(|(_, group)| group.consumers());
    if consumers().all(|(_, consumer)| consumer.active_ms == consumer.seen_ms) {
        return None;
    }
    Some(consumers().map(|(_, consumer)| consumer.active_ms.to_string()).collect::<Vec<_>>().join(" "))
}

/// Gives the consumers the times of a text. One that does not fit the stream belongs to another, and is passed over.
pub(super) fn restore(stream: &mut Stream, text: &[u8]) {
    let numbers = std::str::from_utf8(text).unwrap_or_default().split(' ').map(str::parse::<i64>);
    let Ok(times) = numbers.collect::<Result<Vec<i64>, _>>() else { return };
    let consumers = stream
        .groups()
        .flat_map(|(group, members)| members.consumers().map(move |(consumer, _)| (group.to_vec(), consumer.to_vec())));
    let consumers: Vec<(Vec<u8>, Vec<u8>)> = consumers.collect();
    if consumers.len() != times.len() {
        return;
    }
    for ((group, consumer), active_ms) in consumers.iter().zip(times) {
        stream.edit_group(group, |group, _| group.served(consumer, active_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use collections::{Group, StreamId};

    fn stream(active: &[(&str, &str, i64)]) -> Stream {
        let mut stream = Stream::new();
        for (group, consumer, active_ms) in active {
            stream.add_group(group.as_bytes(), Group::new(StreamId::MIN, 0));
            stream.edit_group(group.as_bytes(), |group, _| {
                group.add_consumer(consumer.as_bytes(), 5);
                group.served(consumer.as_bytes(), *active_ms);
            });
        }
        stream
    }

    #[test]
    fn times_come_back_to_whom_they_belong_to() {
        let written = stream(&[("g", "b", 9), ("g", "a", -1), ("f", "z", 5)]);
        let text = text_of(&written).expect("it does not follow");
        let mut read = stream(&[("g", "b", 5), ("g", "a", 5), ("f", "z", 5)]);
        restore(&mut read, text.as_bytes());
        let active = |stream: &Stream, group: &[u8], consumer: &[u8]| {
            stream.group(group).and_then(|group| group.consumer(consumer)).expect("it is there").active_ms
        };
        assert_eq!(active(&read, b"g", b"b"), 9);
        assert_eq!((active(&read, b"g", b"a"), active(&read, b"f", b"z")), (-1, 5));
        assert_eq!(text_of(&stream(&[("g", "b", 5)])), None);
        for odd in ["", "1", "1 2 x", "1 2 3 4", "99999999999999999999 1 1"] {
            let before = text_of(&read);
            restore(&mut read, odd.as_bytes());
            assert_eq!(text_of(&read), before, "{odd}");
        }
    }
}
