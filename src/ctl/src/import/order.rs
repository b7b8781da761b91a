//! Other units: whom it needs, what it comes after, what it excludes.

use super::name::{Name, entity};
use super::specifiers::INSTANCE;
use super::toml;
use super::values::truth;
use super::work::{UNIT, Work};

/// What a unit of systemd is to ham.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    /// An entity of this name.
    Service(String),
    /// A target of one's own, which would be an entity of this name; it is not
    /// imported.
    Target(String),
    /// Something that is so when ham starts, in these words.
    Ignored(&'static str),
    /// A device, or what else is there when a path is.
    Path(String),
    /// A kind of unit that ham does not have, and what to do instead.
    Unsupported(&'static str),
}

/// Targets of systemd.special(7) that order the boot and the shutdown. Where
/// ham runs beside another init all of that has happened.
const STANDARD: [&str; 48] = [
    "basic",
    "bluetooth",
    "cryptsetup",
    "cryptsetup-pre",
    "ctrl-alt-del",
    "default",
    "emergency",
    "exit",
    "final",
    "getty",
    "getty-pre",
    "graphical",
    "graphical-session",
    "halt",
    "hibernate",
    "initrd",
    "integritysetup",
    "kexec",
    "local-fs",
    "local-fs-pre",
    "multi-user",
    "network",
    "network-online",
    "network-pre",
    "nss-lookup",
    "nss-user-lookup",
    "paths",
    "poweroff",
    "printer",
    "reboot",
    "remote-fs",
    "remote-fs-pre",
    "rescue",
    "rpcbind",
    "shutdown",
    "sigpwr",
    "sleep",
    "slices",
    "smartcard",
    "sockets",
    "sound",
    "suspend",
    "swap",
    "sysinit",
    "system-update",
    "time-set",
    "time-sync",
    "timers",
];
/// Services of systemd itself.
const OWN: &str = "systemd-";

impl Work<'_> {
    /// What the name of a unit stands for.
    pub(crate) fn other(&self, unit: &str) -> Other {
        let unit = self.context.aliases.get(unit).map_or(unit, String::as_str);
        let Some((stem, kind)) = unit.rsplit_once('.') else {
            return Other::Service(entity(unit));
        };
        match kind {
            "service" if stem.starts_with(OWN) || stem == "dbus" && self.context.owner.own => {
                Other::Ignored("a part of systemd")
            }
            "service" => Other::Service(entity(stem)),
            "target" if STANDARD.contains(&stem) => {
                Other::Ignored("a target of the machine's start and end, which ham does not have")
            }
            "target" => Other::Target(entity(stem)),
            "socket" => Other::Unsupported(
                "ham opens no sockets for a service: let it open its own (see its manual)",
            ),
            "device" => Other::Path(format!("/{}", super::name::unescape(stem))),
            "mount" | "automount" | "swap" => {
                Other::Ignored("ham mounts nothing; `start-when` waits for a path")
            }
            "slice" | "scope" => Other::Ignored("ham has no slices"),
            "path" => Other::Unsupported("ham watches no paths for a service"),
            "timer" => Other::Unsupported("ham has no timers: use cron"),
            _ => Other::Service(entity(unit)),
        }
    }

    pub(crate) fn order(&mut self) {
        let mut coupled = false;
        for key in ["Requires", "BindsTo", "Requisite"] {
            for (from, unit) in self.words(UNIT, key) {
                match self.neighbour(&from, &unit) {
                    Some(name) if self.comes_before(&unit) => {
                        let how =
                            format!("it is only `before` {name}: what is required comes first");
                        self.no_equivalent(&from, how);
                    }
                    Some(name) if matches!(self.other(&unit), Other::Target(_)) => {
                        // A unit that requires what is not there is refused.
                        self.draft.push("wants", optional(&name));
                        let how = format!(
                            "`wants`, as no target is imported: write {name}.toml \
                                           with [target], if it is more than a name"
                        );
                        self.approximated(&from, Some("wants"), how);
                    }
                    Some(name) => {
                        self.draft.push("requires", toml::string(&name));
                        coupled = true;
                        if key == "Requisite" {
                            let how = "`requires`, which starts it too";
                            self.approximated(&from, Some("requires"), how);
                        } else {
                            self.translated(&from, format!("`requires`: import {name} too"));
                        }
                    }
                    None => {}
                }
            }
        }
        if coupled {
            self.draft.set("on-dependency-restart", "\"restart\"");
        }
        for key in ["Wants", "Upholds"] {
            for (from, unit) in self.words(UNIT, key) {
                let Some(name) = self.neighbour(&from, &unit) else { continue };
                if self.comes_before(&unit) {
                    let how =
                        format!("{name} comes later (Before=), and what is wanted comes first");
                    self.no_equivalent(&from, how);
                } else if self.draft.items("requires").contains(&toml::string(&name)) {
                    self.no_meaning(&from, "it is required already");
                } else {
                    self.draft.push("wants", optional(&name));
                    if key == "Upholds" {
                        self.approximated(&from, Some("wants"), "`wants`, which starts it once");
                    } else {
                        self.translated(&from, "`wants`");
                    }
                }
            }
        }
        for (key, into) in [("After", "after"), ("Before", "before"), ("Conflicts", "conflicts")] {
            for (from, unit) in self.words(UNIT, key) {
                let Some(name) = self.neighbour(&from, &unit) else { continue };
                let known = self.draft.items("requires").contains(&toml::string(&name))
                    || self.draft.items("wants").contains(&optional(&name));
                if into == "after" && known {
                    self.translated(&from, "comes first, as it is required or wanted");
                } else {
                    self.draft.push(into, optional(&name));
                    self.translated(&from, format!("`{into}`"));
                }
            }
        }
        self.parts();
    }

    /// `PartOf=` and what else only couples stops and reloads.
    fn parts(&mut self) {
        for (from, unit) in self.words(UNIT, "PartOf") {
            let Some(name) = self.neighbour(&from, &unit) else { continue };
            if self.draft.items("requires").contains(&toml::string(&name)) {
                self.translated(&from, "`requires` and `on-dependency-restart`");
            } else {
                let how = if self.comes_before(&unit) {
                    format!("a stop or restart of {name} leaves it alone: stop both")
                } else {
                    format!(
                        "a stop or restart of {name} leaves it alone: stop both, or write \
                             `requires = \"{name}\"` if it cannot do without"
                    )
                };
                self.no_equivalent(&from, how);
            }
        }
        for key in
            ["PropagatesReloadTo", "ReloadPropagatedFrom", "PropagatesStopTo", "StopPropagatedFrom"]
        {
            for (from, unit) in self.words(UNIT, key) {
                let what = if key.contains("Stop") { "stop" } else { "reload" };
                self.no_equivalent(&from, format!("a {what} of {unit} is its own: {what} both"));
            }
        }
    }

    /// The name of the entity; says what becomes of the key when it is none.
    fn neighbour(&mut self, from: &super::parse::Assignment, unit: &str) -> Option<String> {
        match self.other(unit) {
            Other::Service(name) if name == entity(self.own_stem().as_str()) => {
                self.no_meaning(from, "it is itself");
                None
            }
            Other::Target(name) if name == entity(self.own_stem().as_str()) => {
                self.no_meaning(from, format!("{unit} would be an entity of its own name"));
                None
            }
            Other::Service(name) | Other::Target(name) => Some(name),
            Other::Ignored(why) => {
                self.no_meaning(from, format!("{unit}: {why}"));
                None
            }
            Other::Path(path) if from.key != "Before" && from.key != "Conflicts" => {
                if self.draft.has_field("start-when", "path") {
                    self.no_equivalent(
                        from,
                        format!("it waits for one path already, not for {path}"),
                    );
                } else {
                    self.draft.field("start-when", "path", toml::string(&path));
                    self.approximated(from, Some("start-when"), "starts when the path is there");
                }
                None
            }
            Other::Path(_) => {
                self.no_meaning(from, "a device is no entity");
                None
            }
            Other::Unsupported(instead) => {
                let strong =
                    ["Requires", "BindsTo", "Requisite", "Wants"].contains(&from.key.as_str());
                if strong {
                    self.no_equivalent(from, format!("{unit}: {instead}"));
                } else {
                    self.no_meaning(from, format!("{unit}: {instead}"));
                }
                None
            }
        }
    }

    /// Its own name, as others would write it.
    fn own_stem(&self) -> String {
        let stem = self.name.file.trim_end_matches(".service");
        if self.name.is_template() { format!("{stem}{INSTANCE}") } else { stem.to_owned() }
    }

    /// Whether a unit stands in `Before=`.
    fn comes_before(&mut self, unit: &str) -> bool {
        self.words(UNIT, "Before").iter().any(|(_, before)| before == unit)
    }

    /// `DefaultInstance=` and the truths about how a unit may be used.
    pub(crate) fn uses(&mut self) {
        for (key, why) in [
            ("DefaultDependencies", "there are no implicit dependencies"),
            ("AllowIsolate", "there are no modes to isolate"),
            ("IgnoreOnIsolate", "there are no modes to isolate"),
            ("RefuseManualStart", "whoever may start entities may start this one"),
            ("RefuseManualStop", "whoever may stop entities may stop this one"),
        ] {
            if let Some(from) = self.last(UNIT, key) {
                self.no_meaning(&from, why);
            }
        }
        if let Some(from) = self.last(UNIT, "StopWhenUnneeded") {
            if truth(&from.value) == Some(true) {
                self.no_equivalent(&from, "it runs until it is stopped");
            } else {
                self.no_meaning(&from, "the default");
            }
        }
    }
}

/// A neighbour that may be absent, as all of systemd's but those required.
fn optional(name: &str) -> String {
    toml::string(&format!("{name}?"))
}

/// Whether a unit file name is one that a person may have meant to import.
pub(crate) fn instead_of(file: &str) -> Option<&'static str> {
    if Name::of(file).is_some() {
        return None;
    }
    Some(match file.rsplit_once('.').map(|(_, kind)| kind) {
        Some("socket") => "ham opens no sockets for services; import the service",
        Some("timer") => "ham has no timers; import the service, and use cron",
        Some("target") => "write a unit with [target] (ham.unit(5))",
        Some("path") => "ham watches no paths for services; import the service",
        Some("mount" | "automount" | "swap") => "ham mounts nothing",
        Some(_) | None => "its name does not end in .service",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_services_are_taken() {
        assert_eq!(instead_of("a.service"), None);
        assert!(instead_of("a.timer").is_some_and(|instead| instead.contains("cron")));
        assert!(instead_of("a").is_some());
    }

    #[test]
    fn an_instance_of_a_template_keeps_its_mark() {
        assert_eq!(entity(&format!("db@{INSTANCE}")), format!("db@{INSTANCE}"));
    }
}
