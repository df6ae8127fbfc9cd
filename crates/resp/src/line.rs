//! Lines, for the parts of the replication handshake that are not RESP requests.

/// The first line of `input` without its `\r\n` or `\n`, and how many bytes it took with its end; None while
/// the line has no end yet. The caller bounds how long it waits.
pub fn read_line(input: &[u8]) -> Option<(&[u8], usize)> {
    let end = memchr::memchr(b'\n', input)?;
    let line = &input[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

#[cfg(test)]
mod tests {
    use super::read_line;

    #[test]
    fn a_line_ends_at_a_newline_with_or_without_carriage_return() {
        assert_eq!(read_line(b"+OK"), None);
        assert_eq!(read_line(b"+OK\r\nrest"), Some((&b"+OK"[..], 5)));
        assert_eq!(read_line(b"\n+OK\r\n"), Some((&b""[..], 1)));
    }
}
