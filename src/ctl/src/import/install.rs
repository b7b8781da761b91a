//! `[Install]`: what starts by itself.

use super::order::Other;
use super::report::Outcome;
use super::work::{INSTALL, Work};

/// Targets that are reached in every ordinary start.
const STARTS: [&str; 9] = [
    "multi-user.target",
    "default.target",
    "graphical.target",
    "basic.target",
    "sysinit.target",
    "local-fs.target",
    "network.target",
    "network-online.target",
    "graphical-session.target",
];

impl Work<'_> {
    pub(crate) fn install(&mut self) {
        let mut starts = false;
        let mut asked = false;
        for key in ["WantedBy", "RequiredBy", "UpheldBy"] {
            for (from, unit) in self.words(INSTALL, key) {
                asked = true;
                if STARTS.contains(&unit.as_str()) {
                    starts = true;
                    self.translated(&from, "`start = \"auto\"`, the default");
                } else if let Other::Service(name) | Other::Target(name) = self.other(&unit) {
                    let word = if key == "RequiredBy" { "requires" } else { "wants" };
                    let me = &self.name.entity;
                    let how = format!("what starts it says so: `{word} = \"{me}\"` in {name}.toml");
                    self.no_equivalent(&from, how);
                } else {
                    self.no_equivalent(&from, format!("nothing here starts it at {unit}"));
                }
            }
        }
        for (from, alias) in self.words(INSTALL, "Alias") {
            let name = &self.name.entity;
            let how = format!("an entity has one name: write {name} where {alias} is named");
            self.no_meaning(&from, how);
        }
        for (from, unit) in self.words(INSTALL, "Also") {
            self.no_meaning(&from, format!("enable {unit} by itself"));
        }
        if let Some(from) = self.last(INSTALL, "DefaultInstance") {
            let name = format!("{}@{}", self.name.prefix, from.value);
            let how = format!("name the instance: `hamctl enable {name}`");
            self.approximated(&from, None, how);
        }
        if starts {
            return;
        }
        self.draft.set("start", "\"manual\"");
        if !asked {
            let text = "`start = \"manual\"`: only what needs it, or a person, starts it";
            self.default("WantedBy", Outcome::Translated, text);
        }
    }
}
