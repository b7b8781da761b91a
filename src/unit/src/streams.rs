//! `stdin`, `stdout` and `stderr`; `tty`, which stands for all three.

use crate::codes;
use crate::reader::{Reader, Table};
use ham_core::plan::{Stream, Terminal};

const INPUT: &[(Stream, &str)] = &[(Stream::Inherit, "inherit"), (Stream::Null, "null")];
const OUTPUT: &[(Stream, &str)] = &[
    (Stream::Inherit, "inherit"),
    (Stream::Null, "null"),
    (Stream::Journal, "journal"),
    (Stream::Ham, "ham"),
];
const ERROR: &[(Stream, &str)] = &[
    (Stream::Inherit, "inherit"),
    (Stream::Null, "null"),
    (Stream::Same, "same"),
    (Stream::Journal, "journal"),
    (Stream::Ham, "ham"),
];

impl Reader<'_> {
    /// One of the three streams, or its default. What the three may be
    /// differs: only standard error can be the `same` as another.
    pub(crate) fn stream(&mut self, table: &Table<'_>, name: &str, default: Stream) -> Stream {
        let Some(field) = self.find(table, name) else { return default };
        let (path, place, known) = match field.name {
            "stdin" => ("entity.stdin", "in `stdin`", INPUT),
            "stdout" => ("entity.stdout", "in `stdout`", OUTPUT),
            _ => ("entity.stderr", "in `stderr`", ERROR),
        };
        if let Some(entries) = field.as_table() {
            let inner = self.table(path, place, entries, field.span());
            let file = self.require(&inner, "file").and_then(|file| self.path(&file));
            return file.map_or(default, Stream::File);
        }
        let Some(word) = field.as_str() else {
            return self.wrong_type(&field).unwrap_or(default);
        };
        if word == "same" && field.name != "stderr" {
            let message = format!("`{}` cannot be `same`", field.name);
            self.error(codes::BAD_VALUE, field.span(), message)
                .help("only `stderr` can, and then goes where `stdout` goes");
            return default;
        }
        if word.starts_with('/') {
            let message = format!("`{}` cannot be a path", field.name);
            let help = format!("write {} = {{ file = \"{word}\" }}", field.name);
            self.error(codes::BAD_VALUE, field.span(), message).help(help);
            return default;
        }
        self.word(&field, known).unwrap_or(default)
    }

    /// The key `tty`. What it is must not be looked at here: the device may come
    /// later, and opening one may wait.
    pub(crate) fn terminal(&mut self, table: &Table<'_>) -> Option<Terminal> {
        let field = self.find(table, "tty")?;
        for name in ["stdin", "stdout", "stderr"] {
            let Some(stream) = self.find(table, name) else { continue };
            let also = self.also(field.key_span.start, stream.key_span.start);
            let message = format!("`{name}` beside `tty`{also}");
            self.error(codes::CONFLICT, stream.key_span.clone(), message)
                .help("with `tty` all three streams are the terminal; take one of the two out");
        }
        let Some(entries) = field.as_table() else {
            if field.as_str().is_none() {
                return self.wrong_type(&field);
            }
            let path = self.path(&field)?;
            return Some(Terminal { path, hang_up: false });
        };
        let inner = self.table("entity.tty", "in `tty`", entries, field.span());
        let path = self.require(&inner, "path").and_then(|path| self.path(&path));
        let hang_up = self.boolean_or(&inner, "hang-up", false);
        Some(Terminal { path: path?, hang_up })
    }
}
