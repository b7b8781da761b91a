//! `${NAME}` in the words of a command, for units that ask for it: a command
//! without a shell can say what its environment says. Nothing else is
//! replaced, and a value is never split into words.

use super::environment::Environment;
use std::os::unix::ffi::OsStrExt;

/// The word with `${NAME}` replaced by the variable (by nothing, where it is
/// not set) and `$$` by one `$`. Any other `$` stays as it is.
pub(super) fn expanded(word: &str, environment: &Environment) -> Vec<u8> {
    let mut result = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        result.extend_from_slice(before.as_bytes());
        if let Some(after) = after.strip_prefix('$') {
            result.push(b'$');
            rest = after;
        } else if let Some((name, after)) = reference(after) {
            if let Some(value) = environment.get(name) {
                result.extend_from_slice(value.as_bytes());
            }
            rest = after;
        } else {
            result.push(b'$');
            rest = after;
        }
    }
    result.extend_from_slice(rest.as_bytes());
    result
}

/// Splits `{NAME}rest`.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.strip_prefix('{')?.split_once('}')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let valid = name.bytes().all(plain) && !name.bytes().next()?.is_ascii_digit();
    valid.then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_braces_and_doubled_signs_are_replaced() {
        let mut environment = Environment::default();
        environment.set("A", "one");
        environment.set("B_2", "two words");
        environment.set("NESTED", "${A}");
        let cases = [
            ("plain", "plain"),
            ("${A}", "one"),
            ("-x=${A}/${B_2}.", "-x=one/two words."),
            ("${MISSING}", ""),
            ("a${MISSING}b", "ab"),
            ("${NESTED}", "${A}"),
            ("$$", "$"),
            ("$${A}", "${A}"),
            ("$$${A}", "$one"),
            ("$", "$"),
            ("$A", "$A"),
            ("a$ b", "a$ b"),
            ("${A", "${A"),
            ("${}", "${}"),
            ("${1}", "${1}"),
            ("${A:-x}", "${A:-x}"),
            ("ü${A}ü", "üoneü"),
        ];
        for (word, expected) in cases {
            assert_eq!(
                String::from_utf8(expanded(word, &environment)).unwrap(),
                expected,
                "{word}"
            );
        }
    }
}
