//! What is wrong with the units, an error a line, as `status` shows it until it
//! is mended.

use crate::table::harmless;

/// So many are shown; `check` and `apply` show all.
const MOST: usize = 5;

/// The lines.
pub(crate) fn lines(reports: &[String]) -> Vec<String> {
    let errors: Vec<&String> = reports.iter().filter(|text| text.starts_with("error")).collect();
    let mut lines: Vec<String> = errors.iter().take(MOST).map(|text| line(text)).collect();
    match errors.len().saturating_sub(MOST) {
        0 => {}
        more => lines.push(format!("… and {more} more (`hamctl check` shows all)")),
    }
    lines
}

/// `FILE:LINE:COLUMN: message` of a report with a place, else its first line.
fn line(report: &str) -> String {
    let mut rest = report.lines();
    let first = rest.next().unwrap_or_default();
    let message = first.split_once(": ").map_or(first, |(_, message)| message);
    let place = rest.next().and_then(|next| next.trim_start().strip_prefix("--> "));
    harmless(&match place {
        Some(place) => format!("{place}: {message}"),
        None => message.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_line_with_its_place() {
        let report =
            "error[ham::unit::unknown-key]: unknown key `x` in [entity]\n  --> /a.toml:2:1\n";
        let held = "error: the files of 2 units are gone at once: a, b\n  help: …";
        let mut reports =
            vec![report.to_owned(), "warning[ham::unit::x]: y".to_owned(), held.to_owned()];
        let expected = [
            "/a.toml:2:1: unknown key `x` in [entity]",
            "the files of 2 units are gone at once: a, b",
        ];
        assert_eq!(lines(&reports), expected);
        reports.resize(MOST + 3, held.to_owned());
        let lines = lines(&reports);
        assert_eq!(lines.len(), MOST + 1);
        assert_eq!(lines[MOST], "… and 2 more (`hamctl check` shows all)");
    }
}
