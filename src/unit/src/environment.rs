//! `environment`, `environment-file` and `inherit-environment`.

use crate::codes;
use crate::names;
use crate::reader::{Field, Reader, Table};
use crate::suggest::quoted;
use ham_core::plan::{EnvironmentFile, InheritEnvironment};

impl Reader<'_> {
    /// The variables in the order of the file.
    pub(crate) fn environment(&mut self, field: &Field<'_>) -> Vec<(String, String)> {
        let Some(entries) = field.as_table() else {
            return self.wrong_type(field).unwrap_or_default();
        };
        let mut found: Vec<(usize, String, String)> = Vec::new();
        for (name, value) in entries.iter() {
            let item = Field { key_span: name.span(), ..field.item(value) };
            let name = name.get_ref();
            if !names::is_variable(name) {
                self.no_variable(item.key_span, name);
                continue;
            }
            if item.as_str().is_none() {
                let found = item.value.get_ref().type_str();
                let message = format!("wrong type for the variable {}", quoted(name));
                self.error(codes::WRONG_TYPE, item.span(), message)
                    .label(format!("expected string, found {found}"));
                continue;
            }
            if let Some(text) = self.string(&item) {
                found.push((item.key_span.start, name.to_string(), text.to_owned()));
            }
        }
        found.sort_by_key(|(place, _, _)| *place);
        found.into_iter().map(|(_, name, value)| (name, value)).collect()
    }

    /// Reports a word that no variable can be called.
    pub(crate) fn no_variable(&mut self, span: std::ops::Range<usize>, name: &str) {
        let message = format!("{} is no name of a variable", quoted(name));
        self.error(codes::BAD_VARIABLE, span, message)
            .help("letters, digits and `_`, and no digit first");
    }

    pub(crate) fn environment_files(&mut self, field: &Field<'_>) -> Vec<EnvironmentFile> {
        let mut files = Vec::new();
        for item in field.one_or_more() {
            let Some(text) = self.string(&item) else { continue };
            let (path, optional) = match text.strip_prefix('-') {
                Some(path) => (path, true),
                None => (text, false),
            };
            if self.absolute(&item, path) {
                files.push(EnvironmentFile { path: path.to_owned(), optional });
            }
        }
        files
    }

    /// True, false, or the names of the variables that are passed on.
    pub(crate) fn inherit_environment(&mut self, table: &Table<'_>) -> InheritEnvironment {
        let Some(field) = self.find(table, "inherit-environment") else {
            return InheritEnvironment::Default;
        };
        match field.value.get_ref().as_bool() {
            Some(true) => return InheritEnvironment::All,
            Some(false) => return InheritEnvironment::Nothing,
            None => {}
        }
        let Some(items) = field.as_array() else {
            return self.wrong_type(&field).unwrap_or_default();
        };
        let mut names: Vec<String> = Vec::new();
        for item in items {
            let item = field.item(item);
            let Some(name) = self.string(&item) else { continue };
            if !names::is_variable(name) {
                self.no_variable(item.span(), name);
            } else if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        InheritEnvironment::Names(names)
    }
}
