//! What the values of single directives must be beside their type.

/// A file name without a directory, and not empty.
pub(crate) fn dbfilename(value: &[u8]) -> Result<(), &'static str> {
    file_name(value, "dbfilename can't be a path, just a filename", "dbfilename can't be empty")
}

/// The same for the append-only file.
pub(crate) fn appendfilename(value: &[u8]) -> Result<(), &'static str> {
    file_name(value, "appendfilename can't be a path, just a filename", "appendfilename can't be empty")
}

/// The same for its directory.
pub(crate) fn appenddirname(value: &[u8]) -> Result<(), &'static str> {
    file_name(value, "appenddirname can't be a path, just a dirname", "appenddirname can't be empty")
}

fn file_name(value: &[u8], path: &'static str, empty: &'static str) -> Result<(), &'static str> {
    match value {
        [] => Err(empty),
        _ if value.contains(&b'/') => Err(path),
        _ => Ok(()),
    }
}

/// Not empty.
pub(crate) fn dir(value: &[u8]) -> Result<(), &'static str> {
    if value.is_empty() { Err("dir can't be empty") } else { Ok(()) }
}

/// SORT ALPHA compares bytes, which is what these two ask for.
pub(crate) fn locale_collate(value: &[u8]) -> Result<(), &'static str> {
    let bytes = [&b""[..], b"C", b"POSIX"].contains(&value);
    if bytes { Ok(()) } else { Err("Invalid locale name") }
}

/// Braces around the names of what the title shows.
pub(crate) fn proc_title_template(value: &[u8]) -> Result<(), &'static str> {
    const BAD: &str = "template format is invalid or contains unknown variables";
    const KNOWN: &[&[u8]] =
        &[b"title", b"listen-addr", b"server-mode", b"port", b"tls-port", b"unixsocket", b"config-file"];
    let mut rest = value;
    if rest.is_empty() {
        return Err(BAD);
    }
    while let Some(open) = rest.iter().position(|byte| *byte == b'{') {
        let behind = &rest[open + 1..];
        let close = behind.iter().position(|byte| *byte == b'}').ok_or(BAD)?;
        if !KNOWN.contains(&&behind[..close]) {
            return Err(BAD);
        }
        rest = &behind[close + 1..];
    }
    Ok(())
}

/// What a host name may be made of.
pub(crate) fn host_name(value: &[u8]) -> Result<(), &'static str> {
    let fine = value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    if fine { Ok(()) } else { Err("Hostnames may only contain alphanumeric characters, hyphens or dots") }
}

/// What may stand in a node's name: it goes into lines whose fields blanks separate.
pub(crate) fn node_name(value: &[u8]) -> Result<(), &'static str> {
    let fine = value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b' '));
    if fine { Ok(()) } else { Err("Announced human node name contained invalid character") }
}

/// An IPv4 address, or nothing.
pub(crate) fn ipv4(value: &[u8]) -> Result<(), &'static str> {
    let text = String::from_utf8_lossy(value);
    let fine = text.is_empty() || text.parse::<std::net::Ipv4Addr>().is_ok();
    if fine { Ok(()) } else { Err("Invalid IPv4 address") }
}

/// An IPv6 address, or nothing.
pub(crate) fn ipv6(value: &[u8]) -> Result<(), &'static str> {
    let text = String::from_utf8_lossy(value);
    let fine = text.is_empty() || text.parse::<std::net::Ipv6Addr>().is_ok();
    if fine { Ok(()) } else { Err("Invalid IPv6 address") }
}
