//! `stdin`, `stdout` and `stderr`.

use crate::codes;
use crate::reader::{Reader, Table};
use ham_core::plan::Stream;

impl Reader<'_> {
    /// One of the three streams, or its default. What the three may be
    /// differs: only standard error can be the `same` as another.
    pub(crate) fn stream(&mut self, table: &Table<'_>, name: &str, default: Stream) -> Stream {
        let Some(field) = self.find(table, name) else { return default };
        if let Some(entries) = field.as_table() {
            let (path, place) = match field.name {
                "stdin" => ("entity.stdin", "in `stdin`"),
                "stdout" => ("entity.stdout", "in `stdout`"),
                _ => ("entity.stderr", "in `stderr`"),
            };
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
        let known = [(Stream::Inherit, "inherit"), (Stream::Null, "null"), (Stream::Same, "same")];
        let known = if field.name == "stderr" { &known[..] } else { known.split_at(2).0 };
        self.word(&field, known).unwrap_or(default)
    }
}
