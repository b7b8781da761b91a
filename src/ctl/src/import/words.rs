//! systemd's quoting: a value as words. Variables and specifiers are left as
//! they are.

/// A word, and whether anything of it was quoted or escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) quoted: bool,
}

/// Splits at blanks that are not quoted; C's escapes are resolved everywhere,
/// in quotes too.
///
/// # Errors
/// When a quote or an escape does not end, in words.
pub(crate) fn split(value: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut chars = value.chars().peekable();
    let mut quote: Option<char> = None;
    let fresh = || Word { text: String::new(), quoted: false };
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_with(fresh).quoted = true;
            }
            (_, '\\') => {
                let word = word.get_or_insert_with(fresh);
                word.quoted = true;
                escape(&mut chars, &mut word.text)?;
            }
            (None, c) if c.is_ascii_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_with(fresh).text.push(c),
        }
    }
    if let Some(open) = quote {
        return Err(format!("the quote {open} has no partner"));
    }
    words.extend(word);
    Ok(words)
}

/// The texts alone.
///
/// # Errors
/// As [`split`].
pub(crate) fn texts(value: &str) -> Result<Vec<String>, String> {
    Ok(split(value)?.into_iter().map(|word| word.text).collect())
}

/// What follows a backslash.
fn escape(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    text: &mut String,
) -> Result<(), String> {
    let Some(c) = chars.next() else { return Err("it ends with a backslash".to_owned()) };
    let simple = match c {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        's' => ' ',
        '\\' | '"' | '\'' | ';' => c,
        'x' | 'u' | 'U' | '0'..='7' => {
            let (length, radix, first) = match c {
                'x' => (2, 16, None),
                'u' => (4, 16, None),
                'U' => (8, 16, None),
                _ => (2, 8, Some(c)),
            };
            let rest = std::iter::from_fn(|| chars.next_if(|c| c.is_digit(radix)));
            let digits: String = first.into_iter().chain(rest.take(length)).collect();
            let number = u32::from_str_radix(&digits, radix).ok().and_then(char::from_u32);
            match number {
                // What cannot be a part of an argument.
                Some('\0') | None => return Err(format!("\\{c} is followed by no character")),
                Some(c) => c,
            }
        }
        // systemd refuses such a line; as it stands is what was meant.
        other => {
            text.push('\\');
            other
        }
    };
    text.push(simple);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_systemd_does() {
        let of = |value: &str| texts(value).unwrap();
        assert_eq!(of(" a  b\tc "), ["a", "b", "c"]);
        assert_eq!(of(r#""A=b c" 'D=e "f"'"#), ["A=b c", "D=e \"f\""]);
        assert_eq!(of(r"a\x20b \s \\u \101 \u00e4"), ["a b", " ", "\\u", "A", "\u{e4}"]);
        assert_eq!(of(r#""a\"b" 'c\nd'"#), ["a\"b", "c\nd"]);
        assert_eq!(of("a '' b"), ["a", "", "b"]);
        assert_eq!(of(r"\d+"), ["\\d+"]);
        assert!(of("").is_empty());
    }

    #[test]
    fn a_quoted_word_is_known() {
        let words = split(r"a ; \; ';'").unwrap();
        let quoted: Vec<bool> = words.iter().map(|word| word.quoted).collect();
        assert_eq!(quoted, [false, false, true, true]);
        assert!(words[1..].iter().all(|word| word.text == ";"));
    }

    #[test]
    fn what_does_not_end_is_refused() {
        for wrong in ["'a", "\"a", "a\\", r"\x", r"\x00", r"\uzz"] {
            assert!(split(wrong).is_err(), "{wrong}");
        }
    }
}
