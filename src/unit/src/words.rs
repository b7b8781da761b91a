//! Splits one string into the words of a command: blanks, '..', "..", and
//! backslash. No shell: no variables, no wildcards, no operators.

/// Why a text cannot be split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsplittable {
    /// A quote has no partner.
    OpenQuote(char),
    /// The text ends with a backslash.
    LoneBackslash,
}

/// Splits a text. Within "..", a backslash stands before `"` and `\` only.
pub(crate) fn split(text: &str) -> Result<Vec<String>, Unsplittable> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => quoted(c, &mut chars, word.get_or_insert_default())?,
            '\\' => match chars.next() {
                Some(next) => word.get_or_insert_default().push(next),
                None => return Err(Unsplittable::LoneBackslash),
            },
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(
    quote: char,
    chars: &mut std::str::Chars<'_>,
    word: &mut String,
) -> Result<(), Unsplittable> {
    while let Some(c) = chars.next() {
        if c == quote {
            return Ok(());
        }
        if c == '\\' && quote == '"' {
            match chars.next() {
                Some(next) if next == '"' || next == '\\' => word.push(next),
                Some(next) => word.extend([c, next]),
                None => return Err(Unsplittable::OpenQuote(quote)),
            }
        } else {
            word.push(c);
        }
    }
    Err(Unsplittable::OpenQuote(quote))
}

/// Whether a word looks as if a shell was meant to read it.
pub(crate) fn is_shell_syntax(word: &str) -> bool {
    const OPERATORS: [&str; 11] = ["|", "||", "&", "&&", ";", ">", ">>", "<", "2>", "2>&1", "&>"];
    OPERATORS.contains(&word) || word.starts_with("$(") || word.starts_with("${")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        split(text).unwrap()
    }

    #[test]
    fn words_are_split_without_a_shell() {
        assert_eq!(words(" a  b\tc "), ["a", "b", "c"]);
        assert_eq!(words(r#"a 'b c' "d \"e\" \n" f\ g"#), ["a", "b c", r#"d "e" \n"#, "f g"]);
        assert_eq!(words("a '' \"\""), ["a", "", ""]);
        assert_eq!(words("a'b'\"c\""), ["abc"]);
        assert_eq!(words("$HOME *"), ["$HOME", "*"]);
        assert!(words("  ").is_empty());
    }

    #[test]
    fn what_does_not_end_is_refused() {
        assert_eq!(split("a 'b"), Err(Unsplittable::OpenQuote('\'')));
        assert_eq!(split("a \"b\\"), Err(Unsplittable::OpenQuote('"')));
        assert_eq!(split("a \\"), Err(Unsplittable::LoneBackslash));
    }
}
