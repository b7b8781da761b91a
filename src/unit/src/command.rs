//! Commands: a list of words or one string to be split, and whether the
//! program is there. The last is only ever a warning: the file system of the
//! machine that checks need not be that of the machine that runs it.

use crate::codes;
use crate::reader::{Field, Reader};
use crate::suggest::quoted;
use crate::words::{self, Unsplittable};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Where programs are looked for when neither unit nor manager has a PATH;
/// what execvp(3) of glibc falls back to, plus the administrator's folders.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whether the words of a command may hold placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Braces {
    /// They are characters like any other.
    Plain,
    /// They are checked.
    Placeholders,
}

impl Reader<'_> {
    /// Program and arguments. `search` is the unit's own PATH, if it sets one.
    pub(crate) fn command(
        &mut self,
        field: &Field<'_>,
        braces: Braces,
        search: Option<&str>,
    ) -> Option<Vec<String>> {
        let words = if let Some(items) = field.as_array() {
            let mut words = Vec::new();
            for item in items {
                let item = field.item(item);
                // An error of an earlier word must not hide one of a later.
                let Some(word) = self.string(&item) else { continue };
                if braces == Braces::Placeholders {
                    self.placeholders(&item, word);
                }
                words.push(word.to_owned());
            }
            if words.len() < items.len() {
                return None;
            }
            words
        } else {
            self.split(field, braces)?
        };
        let program = match words.first() {
            Some(program) if !program.is_empty() => program,
            Some(_) | None => {
                let message = format!("`{}` names no program", field.name);
                let help = "write for example [\"/usr/bin/prog\", \"--option\"]";
                self.error(codes::BAD_COMMAND, field.span(), message).help(help);
                return None;
            }
        };
        if program.contains('/') && !program.starts_with('/') && !program.starts_with('{') {
            let message = format!("the path {} must be absolute", quoted(program));
            let help = "write it from the root, or only the name of a program in PATH";
            self.error(codes::BAD_PATH, field.span(), message).help(help);
            return None;
        }
        let filled_in_later = braces == Braces::Placeholders && program.contains(['{', '}']);
        if self.settings.look_at_commands && !filled_in_later {
            self.look_at(field, program, search);
        }
        Some(words)
    }

    fn split(&mut self, field: &Field<'_>, braces: Braces) -> Option<Vec<String>> {
        let text = self.string(field)?;
        if braces == Braces::Placeholders {
            self.placeholders(field, text);
        }
        let words = match words::split(text) {
            Ok(words) => words,
            Err(why) => {
                let label = match why {
                    Unsplittable::OpenQuote(quote) => format!("a {quote} has no partner"),
                    Unsplittable::LoneBackslash => "nothing follows the last backslash".to_owned(),
                };
                let message = format!("`{}` cannot be split into words", field.name);
                self.error(codes::BAD_COMMAND, field.span(), message).label(label);
                return None;
            }
        };
        if let Some(word) = words.iter().find(|word| words::is_shell_syntax(word)) {
            let message = format!("{} goes to the program as it is", quoted(word));
            self.report
                .warning(codes::SHELL_SYNTAX, field.span(), message)
                .label("there is no shell here")
                .help("write [\"/bin/sh\", \"-c\", \"...\"] for one");
        }
        Some(words)
    }

    fn look_at(&mut self, field: &Field<'_>, program: &str, search: Option<&str>) {
        let inherited = std::env::var("PATH").ok();
        let search = search.or(inherited.as_deref()).unwrap_or(DEFAULT_PATH);
        let found = look_up(program, search);
        let what = match found {
            Found::Executable => return,
            Found::NotExecutable => "cannot be executed",
            Found::Nothing if program.starts_with('/') => "does not exist",
            Found::Nothing => "is not in PATH",
        };
        let message = format!("{} {what}", quoted(program));
        let span = match field.as_array().and_then(|items| items.first()) {
            Some(item) => item.span(),
            None => field.span(),
        };
        self.report.warning(codes::COMMAND_NOT_FOUND, span, message);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Executable,
    NotExecutable,
    Nothing,
}

fn look_up(program: &str, search: &str) -> Found {
    if program.starts_with('/') {
        return look_at_file(Path::new(program));
    }
    let mut best = Found::Nothing;
    for folder in search.split(':').filter(|folder| folder.starts_with('/')) {
        match look_at_file(&Path::new(folder).join(program)) {
            Found::Executable => return Found::Executable,
            Found::NotExecutable => best = Found::NotExecutable,
            Found::Nothing => {}
        }
    }
    best
}

fn look_at_file(path: &Path) -> Found {
    match std::fs::metadata(path) {
        Ok(file) if file.is_file() && file.permissions().mode() & 0o111 != 0 => Found::Executable,
        Ok(_) => Found::NotExecutable,
        // A path that we may not look at is not called absent.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Found::Executable,
        Err(_) => Found::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_up_like_execvp() {
        assert_eq!(look_up("/bin/sh", ""), Found::Executable);
        assert_eq!(look_up("sh", "/nowhere:/bin"), Found::Executable);
        assert_eq!(look_up("sh", "/nowhere"), Found::Nothing);
        assert_eq!(look_up("/etc/passwd", ""), Found::NotExecutable);
        assert_eq!(look_up("/etc", ""), Found::NotExecutable);
    }
}
