//! What each diagnostic means, with an example that is wrong and the same one
//! mended: the pages of `hamctl explain`. A test loads every example, so that
//! a page cannot say what is not so.

mod files;
mod order;
mod syntax;
mod values;
mod warnings;

use crate::codes;
use crate::diagnostic::Severity;
use std::fmt::Write as _;

/// Columns that the text of a page has at most.
const WIDTH: usize = 78;

/// What is known about one code.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// One of [`codes`].
    pub code: &'static str,
    /// Why it is so and what helps, in a few sentences.
    pub about: &'static str,
    /// What is wrong, and the same mended.
    pub example: Example,
}

/// What is wrong, and the same mended.
#[derive(Clone, Copy, Debug)]
pub enum Example {
    /// One unit, before and after.
    Unit(&'static str, &'static str),
    /// Several files with their names, before and after.
    Units(&'static [(&'static str, &'static str)], &'static [(&'static str, &'static str)]),
    /// Commands in a directory that holds a good `audio.toml`: what makes it
    /// wrong, and what mends it.
    Commands(&'static str, &'static str),
    /// What the machine is like, before, and a command that helps.
    Machine(&'static str, &'static str),
}

const ALL: [&[Page]; 5] =
    [syntax::PAGES, values::PAGES, order::PAGES, warnings::PAGES, files::PAGES];

/// All pages, in the order of [`codes::ALL`].
pub fn pages() -> impl Iterator<Item = &'static Page> {
    codes::ALL.iter().filter_map(|(code, _)| page(code))
}

/// The page of a code, which may be written without `ham::unit::`.
#[must_use]
pub fn page(code: &str) -> Option<&'static Page> {
    let short = |code: &str| code.rsplit("::").next().map(str::to_owned);
    let mut pages = ALL.iter().copied().flatten();
    pages.find(|page| page.code == code || short(page.code).is_some_and(|short| short == code))
}

impl Page {
    /// The code without `ham::unit::`.
    #[must_use]
    pub fn short(&self) -> &'static str {
        self.code.rsplit("::").next().unwrap_or(self.code)
    }

    /// The line that `ham.unit(5)` has.
    #[must_use]
    pub fn meaning(&self) -> &'static str {
        let known = codes::ALL.iter().find(|(code, _)| *code == self.code);
        known.map_or("", |(_, meaning)| meaning.trim())
    }

    /// How grave it is, where it is not mended by leaving something out.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self.meaning() {
            meaning if meaning.starts_with("Warning:") => Severity::Warning,
            meaning if meaning.starts_with("Note:") => Severity::Note,
            _ => Severity::Error,
        }
    }

    /// The same as a sentence, where how grave it is has been said.
    fn sentence(&self) -> String {
        let meaning = self.meaning();
        let rest = ["Warning: ", "Note: "].iter().find_map(|word| meaning.strip_prefix(word));
        let mut letters = rest.unwrap_or(meaning).chars();
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
    }

    /// The example that is wrong, as text.
    #[must_use]
    pub fn wrong_text(&self) -> String {
        match self.example {
            Example::Unit(wrong, _) | Example::Commands(wrong, _) | Example::Machine(wrong, _) => {
                wrong.trim().to_owned()
            }
            Example::Units(wrong, _) => joined(wrong),
        }
    }

    /// The same mended, as text.
    #[must_use]
    pub fn mended_text(&self) -> String {
        match self.example {
            Example::Unit(_, mended)
            | Example::Commands(_, mended)
            | Example::Machine(_, mended) => mended.trim().to_owned(),
            Example::Units(_, mended) => joined(mended),
        }
    }

    /// The page as people read it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{} ({})\n", self.code, self.severity());
        text.push('\n');
        wrap(&self.sentence(), &mut text);
        for paragraph in self.about.split("\n\n") {
            text.push('\n');
            wrap(paragraph, &mut text);
        }
        for (heading, example) in [("Wrong", self.wrong_text()), ("Mended", self.mended_text())] {
            let _ = write!(text, "\n{heading}:\n\n");
            for line in example.lines() {
                let _ = writeln!(text, "{}", format!("    {line}").trim_end());
            }
        }
        text
    }
}

fn joined(files: &[(&str, &str)]) -> String {
    let files = files.iter().map(|(name, text)| format!("# {name}\n{}", text.trim()));
    files.collect::<Vec<_>>().join("\n\n")
}

fn wrap(paragraph: &str, out: &mut String) {
    let mut column = 0usize;
    for word in paragraph.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column.saturating_add(length) >= WIDTH {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column = column.saturating_add(1);
        }
        out.push_str(word);
        column = column.saturating_add(length);
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_page() {
        let count = ALL.iter().map(|pages| pages.len()).sum::<usize>();
        for (code, _) in codes::ALL {
            let pages = ALL.iter().copied().flatten().filter(|page| page.code == *code);
            assert_eq!(pages.count(), 1, "{code}");
        }
        assert_eq!(count, codes::ALL.len());
        assert_eq!(pages().count(), count);
    }

    #[test]
    fn pages_are_found_by_either_name() {
        assert_eq!(page("unknown-key").map(|page| page.code), Some(codes::UNKNOWN_KEY));
        assert_eq!(page(codes::MORE).map(Page::short), Some("more"));
        assert!(page("unknown").is_none() && page("").is_none());
        assert_eq!(page("unsupervised").map(Page::severity), Some(Severity::Warning));
    }

    #[test]
    fn pages_fit_on_a_terminal_and_say_something() {
        for page in pages() {
            assert!(page.about.len() > 60 && page.about.ends_with('.'), "{}", page.code);
            let text = page.text();
            // A heading with how grave it is, what it is in one sentence, why
            // and what helps, and the two examples.
            let parts: Vec<&str> = text.split("\n\n").collect();
            assert_eq!(parts[0], format!("{} ({})", page.code, page.severity()));
            for part in [parts[1], parts[2]] {
                assert!(
                    part.starts_with(char::is_uppercase) && part.trim_end().ends_with('.'),
                    "{text}"
                );
                assert!(!part.starts_with("Warning") && !part.starts_with("Note"), "{text}");
            }
            let headings: Vec<&&str> = parts.iter().filter(|part| part.ends_with(':')).collect();
            assert_eq!(headings, [&"Wrong:", &"Mended:"], "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
            assert_ne!(page.wrong_text(), page.mended_text(), "{}", page.code);
        }
    }
}
