//! What a line of TOML begins with, as far as its first characters tell: for
//! the scan of `toml10`, which wonders whether a bracket was meant to be closed
//! before it.

/// Lines that are looked at for the end of an array in which `key =` begins a
/// line: a text full of that mistake must not be read once for each.
const MOST_LINES: usize = 50;

/// The first line that is neither blank nor a comment, without what is blank
/// before it, and the text after it; empty at the end of the text.
pub(crate) fn next_line(mut rest: &[u8]) -> (&[u8], &[u8]) {
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let line = rest.get(..end).unwrap_or_default().trim_ascii();
        rest = rest.get(end.saturating_add(1)..).unwrap_or_default();
        if !line.is_empty() && !line.starts_with(b"#") {
            return (line, rest);
        }
    }
    (&[], &[])
}

/// Whether a line is `[name]` or `[[name]]` and cannot be a list of values.
pub(crate) fn is_header(line: &[u8]) -> bool {
    let Some(inside) = line.strip_prefix(b"[") else { return false };
    let inside = inside.strip_prefix(b"[").unwrap_or(inside);
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-. ".contains(byte);
    let length = inside.iter().take_while(|byte| is_of_name(byte)).count();
    let (name, after) = inside.split_at_checked(length).unwrap_or_default();
    let name = name.trim_ascii();
    let values: [&[u8]; 4] = [b"true", b"false", b"inf", b"nan"];
    let after = after.trim_ascii_start();
    let after = after.strip_prefix(b"]").map(|after| after.strip_prefix(b"]").unwrap_or(after));
    name.first().is_some_and(u8::is_ascii_alphabetic)
        && !values.contains(&name)
        && after.is_some_and(|after| {
            let after = after.trim_ascii_start();
            after.is_empty() || after.starts_with(b"#")
        })
}

/// Whether a line begins with `key =`.
pub(crate) fn is_statement(line: &[u8]) -> bool {
    let is_of_key = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
    let length = line.iter().take_while(|byte| is_of_key(byte)).count();
    let after = line.get(length..).unwrap_or_default().trim_ascii_start();
    length > 0 && after.starts_with(b"=")
}

/// Whether a line further on, before the next header, begins with a `]` that
/// closes nothing of the lines between.
pub(crate) fn closed_later(line: &[u8], rest: &[u8]) -> bool {
    let (mut line, mut rest) = (line, rest);
    let mut open = 0i64;
    for _ in 0..MOST_LINES {
        if line.is_empty() || is_header(line) {
            break;
        }
        if line.starts_with(b"]") && open <= 0 {
            return true;
        }
        open = open.saturating_add(balance(line)).max(0);
        (line, rest) = next_line(rest);
    }
    false
}

/// How many more `[` than `]` a line has outside of strings.
fn balance(line: &[u8]) -> i64 {
    let mut quote = None;
    let mut open = 0i64;
    for byte in line {
        match (quote, byte) {
            (None, b'#') => break,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(begun), byte) if begun == byte => quote = None,
            (None, b'[') => open = open.saturating_add(1),
            (None, b']') => open = open.saturating_sub(1),
            (Some(_), _) | (None, _) => {}
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_told_from_lists() {
        for header in ["[a]", "[[a.b-c]] # d", "[ a ]"] {
            assert!(is_header(header.as_bytes()), "{header}");
        }
        for other in ["[1, 2]", "[true]", "[[1]]", "[\"a\"],", "[a], [b]", "[]", "a", "[a"] {
            assert!(!is_header(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn statements_have_a_key() {
        assert!(is_statement(b"a.b-c = 1") && is_statement(b"a=1"));
        assert!(!is_statement(b"= 1") && !is_statement(b"a") && !is_statement(b"{ a = 1 }"));
    }

    #[test]
    fn an_end_further_on_counts_unless_it_is_anothers() {
        let later = |text: &str| {
            let (line, rest) = next_line(text.as_bytes());
            closed_later(line, rest)
        };
        assert!(later("a = 1\n]\n"));
        assert!(later("a = [\n 1,\n]\n # c\n ]"));
        assert!(!later("a = [\n 1,\n]\n[b]\n]\n"));
        assert!(!later("a = \"]\"\nb = 1"));
    }
}
