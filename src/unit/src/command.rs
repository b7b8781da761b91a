//! Commands: a list of words or one string to be split, and whether the
//! program is there. The last is only ever a warning: the file system of the
//! machine that checks need not be that of the machine that runs it.

use crate::codes;
use crate::names;
use crate::reader::{Field, Reader};
use crate::suggest::quoted;
use crate::words::{self, Unsplittable};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Where programs are looked for when neither unit nor manager has a PATH;
/// what execvp(3) of glibc falls back to, plus the administrator's folders.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the words of a command may hold that is replaced later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    /// Nothing.
    Plain,
    /// Variables: `${NAME}`.
    Variables,
    /// Placeholders: `{pid}`.
    Placeholders,
    /// Nothing, and the program is not looked for in PATH.
    Absolute,
}

impl Reader<'_> {
    /// Program and arguments. `search` is the unit's own PATH, if it sets one.
    pub(crate) fn command(
        &mut self,
        field: &Field<'_>,
        kind: Words,
        search: Option<&str>,
    ) -> Option<Vec<String>> {
        let words = if let Some(items) = field.as_array() {
            let mut words = Vec::new();
            for item in items {
                let item = field.item(item);
                // An error of an earlier word must not hide one of a later.
                let Some(word) = self.string(&item) else { continue };
                self.replaced_later(&item, word, kind);
                words.push(word.to_owned());
            }
            if words.len() < items.len() {
                return None;
            }
            words
        } else {
            self.split(field, kind)?
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
        let filled_in_later = match kind {
            Words::Plain | Words::Absolute => false,
            Words::Variables => program.contains("${"),
            Words::Placeholders => program.contains(['{', '}']),
        };
        let begins_later = filled_in_later && program.starts_with(['{', '$']);
        let a_path = program.contains('/') || kind == Words::Absolute;
        if a_path && !program.starts_with('/') && !begins_later {
            let message = format!("the path {} must be absolute", quoted(program));
            let help = match kind {
                Words::Absolute => "it is executed in the place of ham, without a look into PATH",
                Words::Plain | Words::Variables | Words::Placeholders => {
                    "write it from the root, or only the name of a program in PATH"
                }
            };
            self.error(codes::BAD_PATH, field.span(), message).help(help);
            return None;
        }
        if self.settings.look_at_commands && !filled_in_later {
            self.look_at(field, program, search);
        }
        Some(words)
    }

    fn replaced_later(&mut self, field: &Field<'_>, text: &str, kind: Words) {
        match kind {
            Words::Plain | Words::Absolute => {}
            Words::Variables => self.variables(field, text),
            Words::Placeholders => self.placeholders(field, text),
        }
    }

    /// Checks the variables of a text: `${NAME}`, and `$$` for a `$`. A `$`
    /// before anything else is a character like any other.
    fn variables(&mut self, field: &Field<'_>, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let from = rest.get(at..).unwrap_or_default();
            if let Some(after) = from.strip_prefix("$$") {
                rest = after;
            } else if let Some(inside) = from.strip_prefix("${") {
                let Some((name, after)) = inside.split_once('}') else {
                    let message = "a `${` without its `}`";
                    self.error(codes::BAD_VARIABLE, field.span(), message)
                        .help("write $$ for a `$`");
                    return;
                };
                if !names::is_variable(name) {
                    self.no_variable(field.span(), name);
                }
                rest = after;
            } else {
                rest = from.strip_prefix('$').unwrap_or_default();
            }
        }
    }

    fn split(&mut self, field: &Field<'_>, kind: Words) -> Option<Vec<String>> {
        let text = self.string(field)?;
        self.replaced_later(field, text, kind);
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
        let replaced = |word: &str| kind == Words::Variables && word.starts_with("${");
        let for_a_shell = |word: &&String| words::is_shell_syntax(word) && !replaced(word);
        if let Some(word) = words.iter().find(for_a_shell) {
            let message = format!("{} goes to the program as it is", quoted(word));
            let mut help = "write [\"/bin/sh\", \"-c\", \"...\"] for one".to_owned();
            if word.starts_with("${") && field.key.path == "entity.command" {
                help.push_str("; for variables alone, expand = true");
            }
            self.report
                .warning(codes::SHELL_SYNTAX, field.span(), message)
                .label("there is no shell here")
                .help(help);
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
        let added = self.report.warning(codes::COMMAND_NOT_FOUND, span, message);
        match found {
            Found::NotExecutable => {
                added.help("a program is a file that may be executed: chmod +x");
            }
            Found::Nothing if !program.starts_with('/') => {
                added.help(format!("looked for in {search}; or write its whole path"));
            }
            Found::Nothing | Found::Executable => {}
        }
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
