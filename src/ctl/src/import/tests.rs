//! Small services of every group of keys, with the unit that each becomes.
//! Every unit here must load.

mod groups;
mod keys;
mod whole;

use super::{Context, Imported, Name, Outcome, Owner, import};
use ham_unit::{Settings, UserEntry, Users, check_text};
use std::collections::BTreeMap;

/// Everybody exists.
#[derive(Debug)]
struct Everybody;

impl Users for Everybody {
    fn user(&self, name: &str) -> Result<Option<UserEntry>, String> {
        Ok(Some(UserEntry {
            name: name.to_owned(),
            uid: 1000,
            gid: 1000,
            home: "/".to_owned(),
            shell: "/bin/sh".to_owned(),
        }))
    }

    fn group(&self, _: &str) -> Result<Option<u32>, String> {
        Ok(Some(1000))
    }

    fn groups_of(&self, _: &str) -> Result<Vec<u32>, String> {
        Ok(Vec::new())
    }
}

fn context() -> Context {
    Context { owner: Owner::system(), aliases: BTreeMap::new() }
}

/// What a service of this name becomes; it must load.
#[track_caller]
fn named(file: &str, text: &str) -> Imported {
    loads(file, text).unwrap_or_else(|why| panic!("{why}"))
}

/// The same, or why it does not load.
fn loads(file: &str, text: &str) -> Result<Imported, String> {
    let name = Name::of(file).unwrap();
    let unit = import(&name, &[(file.to_owned(), text.to_owned())], &context());
    let entity = format!("{}{}", unit.entity, if name.is_template() { "one" } else { "" });
    let settings = Settings { look_at_commands: false, ..Settings::new(&Everybody, 0) };
    let loaded = check_text(&entity, "unit", &unit.text, &settings);
    if let Some(error) = loaded.diagnostics.iter().find(|found| found.is_error()) {
        return Err(format!("{text}\n{}\n{error}", unit.text));
    }
    // Every key is in the report.
    let mut assignments = Vec::new();
    super::parse::read(file, text, &mut assignments);
    for assignment in assignments {
        let told = unit.entries.iter().any(|entry| entry.line == Some(assignment.line));
        if !told {
            return Err(format!("nothing is said about {assignment:?}"));
        }
    }
    Ok(unit)
}

/// What a service with these lines in `[Service]` becomes: what follows
/// `[entity]`, without comments. A command and what is usual need not be given.
fn service(lines: &str) -> String {
    let text = format!("[Service]\nExecStart=/bin/a\nKillMode=mixed\nTimeoutStopSec=5\n{lines}\n");
    let text = format!("{text}[Install]\nWantedBy=multi-user.target\n");
    body(&named("a.service", &text))
}

/// What stands below `[entity]`, without comments and what is usual.
fn body(unit: &Imported) -> String {
    let usual = ["command = \"/bin/a\"", "stop = { timeout = \"5s\" }", "restart = \"no\""];
    let (_, body) = unit.text.split_once("[entity]\n").unwrap();
    let lines = body.lines().filter(|line| !line.starts_with('#') && !usual.contains(line));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// The outcomes of a key, in order.
fn outcomes(unit: &Imported, key: &str) -> Vec<Outcome> {
    unit.entries.iter().filter(|entry| entry.key == key).map(|entry| entry.outcome).collect()
}
