//! Values of TOML as text, with the braces that ham replaces.

use super::specifiers::{INSTANCE, PID};

/// Wider lists are written one item a line.
const WIDTH: usize = 96;

/// A basic string. Of a template the instance is filled in here too.
pub(crate) fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            INSTANCE => out.push_str("{instance}"),
            PID => out.push_str("{pid}"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A string in which ham replaces what stands in braces: its own are doubled.
pub(crate) fn placeholders(text: &str) -> String {
    string(&text.replace('{', "{{").replace('}', "}}"))
}

/// Several, each written already, on one line.
pub(crate) fn list(items: &[String]) -> String {
    format!("[{}]", items.join(", "))
}

/// Likewise, one a line when they are long; for what stands in no table that
/// is written on one line.
pub(crate) fn long_list(key: &str, items: &[String]) -> String {
    let tables = items.iter().any(|item| item.starts_with('{'));
    match items {
        [one] if tables => return format!("[ {one} ]"),
        items if tables => {
            let lines: Vec<String> = items.iter().map(|item| format!("    {item},")).collect();
            return format!("[\n{}\n]", lines.join("\n"));
        }
        _ => {}
    }
    let short = list(items);
    if key.len().saturating_add(short.len()).saturating_add(3) <= WIDTH || items.len() < 2 {
        return short;
    }
    let mut lines: Vec<String> = Vec::new();
    for item in items {
        match lines.last_mut() {
            Some(line) if line.len().saturating_add(item.len()) < WIDTH - 8 => {
                line.push_str(&format!(" {item},"));
            }
            _ => lines.push(format!("    {item},")),
        }
    }
    format!("[\n{}\n]", lines.join("\n"))
}

/// An inline table.
pub(crate) fn table(fields: &[(String, String)]) -> String {
    let all: Vec<String> = fields.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    if all.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", all.join(", ")) }
}

/// One string alone, else a list.
pub(crate) fn one_or_more(key: &str, items: &[String]) -> String {
    match items {
        [one] => one.clone(),
        items => long_list(key, items),
    }
}

/// A comment, in lines of readable length.
pub(crate) fn comment(text: &str) -> String {
    let text = text.replace(INSTANCE, "{instance}").replace(PID, "{pid}");
    let text = text.replace(|c: char| c.is_control(), " ");
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len().saturating_add(word.len()) < 79 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("# {word}")),
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_and_filled_in() {
        assert_eq!(string("a\"b\\c\n\u{7}"), r#""a\"b\\c\n\u0007""#);
        assert_eq!(string("x-\u{1}-{y}"), "\"x-{instance}-{y}\"");
        assert_eq!(placeholders("{ \u{2} }"), "\"{{ {pid} }}\"");
    }

    #[test]
    fn long_lists_are_broken() {
        let words: Vec<String> = (0..30).map(|n| string(&format!("word-{n}"))).collect();
        let text = long_list("command", &words);
        assert!(text.starts_with("[\n    \"word-0\", ") && text.ends_with(",\n]"), "{text}");
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert_eq!(long_list("a", &words[..2]), "[\"word-0\", \"word-1\"]");
    }

    #[test]
    fn comments_are_wrapped() {
        let text = comment(&"word ".repeat(40));
        assert!(text.lines().count() > 1 && text.lines().all(|line| line.len() <= 80));
    }
}
