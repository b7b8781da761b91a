//! The syntax of systemd's unit files: sections, keys, comments, lines that go
//! on. Knows no key; every assignment keeps its place.

/// `Key=value` of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// Its place among all of the unit.
    pub(crate) id: usize,
    /// `Unit`, `Service`, `Install`; empty before the first.
    pub(crate) section: String,
    /// What stands before `=`.
    pub(crate) key: String,
    /// What stands after it, without blanks around, lines joined by a blank.
    pub(crate) value: String,
    /// The file, as messages call it.
    pub(crate) file: String,
    /// The line of the key, from 1.
    pub(crate) line: usize,
}

/// Reads one file and adds what it says. A line that is no assignment is one
/// without a value, whose key is the whole line: so nothing of a file is lost.
pub(crate) fn read(file: &str, text: &str, assignments: &mut Vec<Assignment>) {
    let mut section = String::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, raw)) = lines.next() {
        let first = raw.trim();
        if is_comment(first) {
            continue;
        }
        if let Some(name) = first.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
            continue;
        }
        let mut whole = first.to_owned();
        while whole.ends_with('\\') {
            whole.pop();
            whole.push(' ');
            // systemd skips comments between the lines of one value.
            let next = lines.find(|(_, line)| {
                let line = line.trim_start();
                !line.starts_with(['#', ';'])
            });
            match next {
                Some((_, line)) => whole.push_str(line.trim_end()),
                None => break,
            }
        }
        let (key, value) = whole.split_once('=').unwrap_or((&whole, ""));
        assignments.push(Assignment {
            id: assignments.len(),
            section: section.clone(),
            key: key.trim().to_owned(),
            value: value.trim().to_owned(),
            file: file.to_owned(),
            line: index.saturating_add(1),
        });
    }
}

fn is_comment(line: &str) -> bool {
    line.is_empty() || line.starts_with(['#', ';'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(String, String, String, usize)> {
        let mut all = Vec::new();
        read("a.service", text, &mut all);
        all.into_iter().map(|a| (a.section, a.key, a.value, a.line)).collect()
    }

    fn expect(text: &str, wanted: &[(&str, &str, &str, usize)]) {
        let wanted: Vec<_> = wanted
            .iter()
            .map(|(s, k, v, line)| ((*s).to_owned(), (*k).to_owned(), (*v).to_owned(), *line))
            .collect();
        assert_eq!(of(text), wanted, "{text}");
    }

    #[test]
    fn sections_comments_and_blanks() {
        expect(
            "# c\n; c\n\n[Unit]\n Description = A  b \n[Service]\nExecStart=/a=b\nUser=\n",
            &[
                ("Unit", "Description", "A  b", 5),
                ("Service", "ExecStart", "/a=b", 7),
                ("Service", "User", "", 8),
            ],
        );
    }

    #[test]
    fn a_line_goes_on_over_comments() {
        expect(
            "[Service]\nExecStart=/a \\\n# not this\n  -b \\\n;nor this\n  -c\nUser=x\n",
            &[("Service", "ExecStart", "/a    -b    -c", 2), ("Service", "User", "x", 7)],
        );
        expect("[Service]\nExecStart=/a \\", &[("Service", "ExecStart", "/a", 2)]);
    }

    #[test]
    fn what_is_no_assignment_is_kept() {
        expect(".include /x\n[S]\nword\n", &[("", ".include /x", "", 1), ("S", "word", "", 3)]);
    }
}
