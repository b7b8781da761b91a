//! What is wrong with unit files: with frames for a terminal, as plain text
//! for everything else, and the line that sums it up.

use crate::output::Look;
use ham_unit::{Diagnostic, Severity};
use miette::{GraphicalReportHandler, GraphicalTheme, ThemeCharacters, ThemeStyles};

/// Width of frames when the terminal does not tell its own.
const USUAL_WIDTH: usize = 80;

/// All diagnostics as plain text, an empty line after each.
pub(crate) fn plain(diagnostics: &[Diagnostic]) -> String {
    let one = |diagnostic: &Diagnostic| format!("{}\n\n", diagnostic.render_plain().trim_end());
    diagnostics.iter().map(one).collect()
}

/// All diagnostics with frames.
pub(crate) fn graphical(diagnostics: &[Diagnostic], look: Look) -> String {
    let theme = GraphicalTheme {
        characters: if look.unicode {
            ThemeCharacters::unicode()
        } else {
            ThemeCharacters::ascii()
        },
        styles: if look.colour { ThemeStyles::ansi() } else { ThemeStyles::none() },
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_width(look.width.unwrap_or(USUAL_WIDTH));
    let mut text = String::new();
    for diagnostic in diagnostics {
        // A file as a whole has no frame that would name it.
        if diagnostic.span.is_none() {
            text.push_str(&diagnostic.file);
            text.push_str(":\n");
        }
        if handler.render_report(&mut text, diagnostic).is_err() {
            text.push_str(&diagnostic.render_plain());
        }
        text.push('\n');
    }
    text
}

/// How many of the diagnostics are of this severity.
pub(crate) fn count(diagnostics: &[Diagnostic], severity: Severity) -> usize {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
}

/// `2 units, 1 error, no warnings`.
pub(crate) fn summary(units: usize, diagnostics: &[Diagnostic]) -> String {
    let counted = |count: usize, what: &str| match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        more => format!("{more} {what}s"),
    };
    format!(
        "{}, {}, {}",
        counted(units, "good unit"),
        counted(count(diagnostics, Severity::Error), "error"),
        counted(count(diagnostics, Severity::Warning), "warning"),
    )
}
