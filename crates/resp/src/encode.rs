//! The few byte layouts that requests and replies share.

/// No header is longer: its kind, 20 characters of a number, the end of the line.
const HEADER_BYTES_MAX: usize = 23;

/// Appends `<kind><n>\r\n`, the first line of bulks, aggregates and integers.
#[inline]
pub fn header(out: &mut Vec<u8>, kind: u8, n: i64) {
    // Most lengths and counts have one or two digits.
    match n {
        0..10 => out.extend_from_slice(&[kind, b'0' + n as u8, b'\r', b'\n']),
        10..100 => out.extend_from_slice(&[kind, b'0' + (n / 10) as u8, b'0' + (n % 10) as u8, b'\r', b'\n']),
        _ => long_header(out, kind, n),
    }
}

#[inline(never)]
fn long_header(out: &mut Vec<u8>, kind: u8, n: i64) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(n).as_bytes();
    out.reserve(digits.len() + 3);
    out.push(kind);
    out.extend_from_slice(digits);
    out.extend_from_slice(b"\r\n");
}

/// Appends `*<n>\r\n`.
pub fn array_header(out: &mut Vec<u8>, n: usize) {
    header(out, b'*', n as i64);
}

/// Appends `$<n>\r\n`; the bytes and a final `\r\n` must follow.
#[inline]
pub fn bulk_header(out: &mut Vec<u8>, n: usize) {
    header(out, b'$', n as i64);
}

/// Appends a whole bulk string.
#[inline]
pub fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + HEADER_BYTES_MAX + 2);
    bulk_header(out, bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Appends a request: a RESP array of bulk strings.
pub fn command(out: &mut Vec<u8>, args: &[&[u8]]) {
    array_header(out, args.len());
    for arg in args {
        bulk(out, arg);
    }
}

#[cfg(test)]
mod tests {
    use super::{HEADER_BYTES_MAX, header};

    #[test]
    fn headers_are_written_in_decimal_for_every_number_of_digits() {
        for n in [0, 7, 9, 10, 42, 99, 100, 101, 99_999, -1, -10, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            header(&mut out, b':', n);
            assert_eq!(String::from_utf8(out.clone()).ok(), Some(format!(":{n}\r\n")));
            assert!(out.len() <= HEADER_BYTES_MAX);
        }
    }
}
