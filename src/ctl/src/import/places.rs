//! Directories of a service, the one that it runs in, and its mask.

use super::toml;
use super::work::{SERVICE, Work};

const KINDS: [(&str, &str, usize); 4] = [
    ("RuntimeDirectory", "runtime-directory", 0),
    ("StateDirectory", "state-directory", 1),
    ("CacheDirectory", "cache-directory", 2),
    ("LogsDirectory", "logs-directory", 3),
];

impl Work<'_> {
    pub(crate) fn places(&mut self) {
        for (key, ours, place) in KINDS {
            self.own_directory(key, ours, place);
        }
        for (from, _) in self.words(SERVICE, "ConfigurationDirectory") {
            self.no_meaning(&from, "what is configured stands there already");
        }
        if let Some(from) = self.last(SERVICE, "ConfigurationDirectoryMode") {
            self.no_meaning(&from, "what is configured stands there already");
        }
        if let Some(from) = self.last(SERVICE, "WorkingDirectory") {
            self.working_directory(&from);
        }
        if let Some(from) = self.last(SERVICE, "UMask") {
            match octal(&from.value, 0o777) {
                Some(mask) => {
                    if mask != 0o022 {
                        self.draft.set("umask", format!("\"{mask:04o}\""));
                    }
                    self.translated(&from, "`umask`");
                }
                None => self.unreadable(&from, "it is no octal number"),
            }
        }
    }

    fn working_directory(&mut self, from: &super::parse::Assignment) {
        let text = self.text(from);
        let path = text.strip_prefix('-').unwrap_or(&text);
        if path == "~" {
            let how = "write the home directory of the user in `directory`";
            self.no_equivalent(from, how);
        } else if path.starts_with('/') {
            self.draft.set_string("directory", path);
            if text.starts_with('-') {
                self.approximated(from, Some("directory"), "the directory must be there");
            } else {
                self.translated(from, "`directory`");
            }
        } else {
            self.unreadable(from, "the path is not absolute");
        }
    }

    /// One of the four kinds, with its mode and how long it is kept.
    fn own_directory(&mut self, key: &str, ours: &'static str, place: usize) {
        let mut names: Vec<String> = Vec::new();
        let mut sources = Vec::new();
        for (from, text) in self.words(SERVICE, key) {
            // `NAME:LINK` in newer ones.
            let (name, link) = text.split_once(':').unwrap_or((&text, ""));
            let name = name.trim_matches('/');
            if !link.is_empty() {
                self.no_equivalent(&from, format!("no link `{link}` is made"));
            }
            let bad = name.is_empty() || name.split('/').any(|part| part == "..");
            if bad {
                self.unreadable(&from, "it is no relative path");
            } else {
                names.push(name.to_owned());
                sources.push(from);
            }
        }
        let mode_from = self.last(SERVICE, &format!("{key}Mode"));
        let keep_from = self.last(SERVICE, &format!("{key}Preserve"));
        if names.is_empty() {
            for from in [&mode_from, &keep_from].into_iter().flatten() {
                self.no_meaning(from, format!("there is no {key}="));
            }
            return;
        }
        let mut mode = 0o755;
        if let Some(from) = &mode_from {
            match octal(&from.value, 0o7777) {
                Some(given) => mode = given,
                None => self.unreadable(from, "it is no octal number"),
            }
        }
        if self.elevated {
            self.by_hand(&names, mode, place);
            for from in sources.iter().chain(&mode_from) {
                let how = "made by `pre-start` for the user that the command becomes";
                self.approximated(from, Some("pre-start"), how);
            }
            if let Some(from) = keep_from {
                self.approximated(&from, None, "never removed");
            }
            return;
        }
        let quoted: Vec<String> = names.iter().map(|name| toml::string(name)).collect();
        let mut fields = match quoted.as_slice() {
            [one] => vec![("name".to_owned(), one.clone())],
            several => vec![("names".to_owned(), toml::list(several))],
        };
        if mode != 0o755 {
            fields.push(("mode".to_owned(), format!("\"{mode:04o}\"")));
        }
        for from in sources.iter().chain(mode_from.iter().filter(|_| mode != 0o755)) {
            self.translated(from, format!("`{ours}`"));
        }
        if let Some(from) = mode_from.filter(|_| mode == 0o755) {
            self.translated(&from, "the default");
        }
        if let Some(from) = keep_from {
            match from.value.as_str() {
                word @ ("restart" | "yes") => {
                    fields.push(("keep".to_owned(), toml::string(word)));
                    self.translated(&from, format!("`{ours}.keep`"));
                }
                "no" => self.no_meaning(&from, "the default"),
                _ => self.unreadable(&from, "there is no such word"),
            }
        }
        let value = match (fields.as_slice(), quoted.as_slice()) {
            ([_], [one]) => one.clone(),
            ([_], several) => toml::list(several),
            _ => toml::table(&fields),
        };
        self.draft.set(ours, value);
    }

    /// Directories that belong to another user than the command starts as.
    fn by_hand(&mut self, names: &[String], mode: u32, place: usize) {
        let parent = self.context.owner.places.get(place).cloned().unwrap_or_default();
        let paths: Vec<String> = names.iter().map(|name| format!("{parent}/{name}")).collect();
        let group = self.last(SERVICE, "Group").map(|from| self.text(&from)).unwrap_or_default();
        // Without a group after the colon it is that of the user.
        let owner = format!("{}:{group}", self.user.clone().unwrap_or_default());
        let mode = format!("{mode:04o}");
        for words in [vec!["install", "-d", "-m", &mode], vec!["chown", &owner]] {
            let words = words.into_iter().chain(paths.iter().map(String::as_str));
            let words: Vec<String> = words.map(toml::placeholders).collect();
            self.draft.append("pre-start", format!("{{ execute = {} }}", toml::list(&words)));
        }
    }
}

/// An octal number up to `most`.
fn octal(text: &str, most: u32) -> Option<u32> {
    u32::from_str_radix(text, 8).ok().filter(|number| *number <= most)
}
