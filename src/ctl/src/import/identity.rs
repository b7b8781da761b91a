//! Whom a service runs as, and its environment.

use super::toml;
use super::work::{SERVICE, Work};

impl Work<'_> {
    pub(crate) fn identity(&mut self) {
        let user = self.last(SERVICE, "User");
        let group = self.last(SERVICE, "Group");
        let groups = self.words(SERVICE, "SupplementaryGroups");
        let dynamic = self.last(SERVICE, "DynamicUser");
        let name = user.as_ref().map(|user| self.text(user));
        let elevated = self.start.last().is_some_and(|command| command.elevated);
        // Root is who a command of the system's manager is by itself.
        let is_root = |name: &String| !self.context.owner.own && (name == "root" || name == "0");
        let root = name.as_ref().is_some_and(is_root);
        self.user = name.filter(|_| !root);
        if let Some(from) = dynamic {
            self.dynamic_user(&from);
        }
        self.elevated = elevated && self.user.is_some();
        if let Some(from) = &user {
            if root {
                self.no_meaning(from, "the user of the manager");
            } else if self.elevated {
                let how = "the command begins as root, and finds no hint at this user: `user` is \
                           left out, the other commands have it";
                self.approximated(from, Some("command"), how);
            } else {
                self.translated(from, "`user`");
            }
        }
        if let Some(name) = self.user.clone().filter(|_| !self.elevated) {
            self.draft.set_string("user", &name);
        }
        if let Some(from) = group {
            let text = self.text(&from);
            if self.elevated || (self.user.is_none() && text == "root") {
                self.no_meaning(&from, "that of root");
            } else {
                self.draft.set_string("group", &text);
                self.translated(&from, "`group`");
            }
        }
        for (from, group) in groups {
            let alone = self.user.is_none() && !self.has(SERVICE, "Group");
            if self.elevated {
                self.no_meaning(&from, "the command begins as root");
            } else if alone {
                self.no_equivalent(&from, "`groups` needs `user` or `group`: name one");
            } else {
                self.draft.push("groups", toml::string(&group));
                let how = "in `groups`, which stand in place of those that the user has";
                self.approximated(&from, Some("groups"), how);
            }
        }
        self.environment();
    }

    fn dynamic_user(&mut self, from: &super::parse::Assignment) {
        match self.truth(from) {
            Some(true) if self.user.is_some() => {
                self.approximated(from, Some("user"), "the user must exist: make a system user");
            }
            Some(true) => {
                // Not root, whatever else.
                self.user = Some("nobody".to_owned());
                self.no_equivalent(
                    from,
                    "no user is made up for it: `nobody` stands there, which others may use too; \
                     make a system user",
                );
            }
            Some(false) => self.no_meaning(from, "the default"),
            None => {}
        }
    }

    fn environment(&mut self) {
        let mut unset: Vec<String> = Vec::new();
        for (from, name) in self.words(SERVICE, "UnsetEnvironment") {
            self.approximated(&from, None, "left out of `environment`, if it is there");
            unset.push(name);
        }
        for (from, text) in self.words(SERVICE, "Environment") {
            let Some((name, value)) = text.split_once('=') else {
                self.unreadable(&from, "there is no `=`");
                continue;
            };
            if !is_variable(name) {
                self.unreadable(&from, "no variable can have this name");
            } else if unset.iter().any(|known| *known == name || *known == text) {
                self.no_meaning(&from, "UnsetEnvironment= takes it away");
            } else {
                self.draft.field("environment", name, toml::string(value));
                self.translated(&from, "`environment`");
            }
        }
        for from in self.list(SERVICE, "EnvironmentFile") {
            let text = self.text(&from);
            let path = text.strip_prefix('-').unwrap_or(&text);
            if path.contains(['*', '?', '[']) || !path.starts_with('/') {
                self.no_equivalent(&from, "no pattern: name the files in `environment-file`");
            } else {
                self.draft.push("environment-file", toml::string(&text));
                self.translated(&from, "`environment-file`");
            }
        }
        for (from, name) in self.words(SERVICE, "PassEnvironment") {
            if is_variable(&name) {
                self.draft.push("inherit-environment", toml::string(&name));
                let text = "`inherit-environment`: these variables of ham and no others";
                self.translated(&from, text);
            } else {
                self.unreadable(&from, "no variable can have this name");
            }
        }
    }
}

/// Whether a variable of ham's can have this name.
pub(crate) fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
