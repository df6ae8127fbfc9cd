//! The few byte layouts that requests and replies share.

/// Appends `<kind><n>\r\n`, the first line of bulks, aggregates and integers.
pub fn header(out: &mut Vec<u8>, kind: u8, n: i64) {
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
pub fn bulk_header(out: &mut Vec<u8>, n: usize) {
    header(out, b'$', n as i64);
}

/// Appends a whole bulk string.
pub fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    bulk_header(out, bytes.len());
    out.reserve(bytes.len() + 2);
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
