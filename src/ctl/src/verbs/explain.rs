//! `hamctl explain [CODE]`: what a diagnostic means, an example of what is
//! wrong, and how it is mended. The pages are those of ham-unit.

use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use ham_unit::explain::{self, Page};
use ham_unit::{Severity, nearest};
use serde::Serialize;

/// One page as `--json` prints it.
#[derive(Serialize)]
struct Document<'a> {
    code: &'a str,
    severity: Severity,
    meaning: &'a str,
    about: &'a str,
    wrong: String,
    mended: String,
}

impl<'a> From<&'a Page> for Document<'a> {
    fn from(page: &'a Page) -> Document<'a> {
        Document {
            code: page.code,
            severity: page.severity(),
            meaning: page.meaning(),
            about: page.about,
            wrong: page.wrong_text(),
            mended: page.mended_text(),
        }
    }
}

/// See the file.
pub(super) fn run(code: Option<&str>, output: Output) -> Result<Exit, Error> {
    match code {
        Some(code) => one(code, output)?,
        None => all(output)?,
    }
    Ok(Exit::Success)
}

fn one(code: &str, output: Output) -> Result<(), Error> {
    // As it stands in a message: error[ham::unit::unknown-key].
    let plain = code.rsplit(['[', ':']).next().unwrap_or(code).trim_end_matches(']');
    let Some(page) = explain::page(plain) else {
        let nearest = nearest(plain, explain::pages().map(Page::short));
        return Err(Error::UnknownCode { code: code.to_owned(), nearest });
    };
    if output.json {
        return output.print_document(&Document::from(page));
    }
    output.print(&page.text())
}

fn all(output: Output) -> Result<(), Error> {
    if output.json {
        let pages: Vec<Document<'_>> = explain::pages().map(Document::from).collect();
        return output.print_document(&pages);
    }
    let width = explain::pages().map(|page| page.short().len()).max().unwrap_or(0);
    let mut text = String::new();
    for page in explain::pages() {
        text.push_str(&format!("{:width$}  {}\n", page.short(), page.meaning()));
    }
    output.print(&text)
}
