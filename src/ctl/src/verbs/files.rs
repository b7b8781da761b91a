//! `hamctl cat NAMES…` and `show --merged NAME`: units as they stand in the unit
//! directories. Uses the manager's own loader, and no manager.

use super::check::directories;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Output, complain};
use crate::render::diagnostics;
use crate::runtime;
use crate::table::harmless;
use ham_core::wire::Refusal;
use ham_unit::{
    DiagnosticReport, MergedValue, Settings, Severity, SystemUsers, UnitFiles, merged as merge,
    unit_files, wrong_entity_name,
};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

/// Directories that were given, and whether else one's own are meant.
type Where<'a> = (&'a [PathBuf], bool);

/// A file as `cat --json` prints it.
#[derive(Serialize)]
struct File {
    path: PathBuf,
    text: String,
}

/// A unit as `cat --json` prints it.
#[derive(Serialize)]
struct Unit<'a> {
    name: &'a str,
    masked_by: Option<PathBuf>,
    files: Vec<File>,
}

/// What `show --merged --json` prints.
#[derive(Serialize)]
struct Report {
    masked_by: Option<PathBuf>,
    values: Vec<MergedValue>,
    diagnostics: Vec<DiagnosticReport>,
}

/// Prints the files of units, the lowest first.
pub(super) fn cat(names: &[String], place: Where<'_>, output: Output) -> Result<Exit, Error> {
    let directories = directories(place.0, place.1)?;
    let users = SystemUsers::new();
    let settings = settings(&users, place);
    let mut units = Vec::new();
    for name in names {
        check(name)?;
        let found = unit_files(&directories, name, &settings);
        let found = found.map_err(|nearest| unknown(name, nearest, &directories))?;
        let UnitFiles { files, masked_by } = found;
        let files = files.into_iter().map(read).collect::<Result<_, _>>()?;
        units.push(Unit { name, masked_by, files });
    }
    if output.json {
        output.print_document(&units)?;
        return Ok(Exit::Success);
    }
    let mut text = String::new();
    for unit in &units {
        let mut part = |head: String, body: &str| {
            let gap = if text.is_empty() { "" } else { "\n" };
            let end = if body.is_empty() || body.ends_with('\n') { "" } else { "\n" };
            text.push_str(&format!("{gap}{head}\n{body}{end}"));
        };
        if let Some(link) = &unit.masked_by {
            part(format!("{} -> /dev/null", heading(link)), "");
        }
        for file in &unit.files {
            // A terminal gets nothing that it would act on, a file what there is.
            match output.terminal {
                true => part(heading(&file.path), &lines_of(&file.text)),
                false => part(heading(&file.path), &file.text),
            }
        }
    }
    output.print(&text)?;
    Ok(Exit::Success)
}

/// Prints what the files of a unit make together.
pub(super) fn merged(
    program: &str,
    name: &str,
    place: Where<'_>,
    output: Output,
) -> Result<Exit, Error> {
    let directories = directories(place.0, place.1)?;
    let users = SystemUsers::new();
    check(name)?;
    let found = merge(&directories, name, &settings(&users, place));
    let found = found.map_err(|nearest| unknown(name, nearest, &directories))?;
    let errors = diagnostics::count(&found.diagnostics, Severity::Error);
    if output.json {
        let diagnostics = found.diagnostics.iter().map(DiagnosticReport::from).collect();
        let (masked_by, values) = (found.masked_by, found.values);
        output.print_document(&Report { masked_by, values, diagnostics })?;
    } else {
        if let Some(file) = &found.masked_by {
            output.print_line(&format!("{} masks it", heading(file)))?;
        }
        output.print(&found.text)?;
        if !found.diagnostics.is_empty() {
            let all = diagnostics::plain(&found.diagnostics);
            complain(program, &format!("{} cannot be read as a whole:\n{}", name, all.trim_end()));
        }
    }
    Ok(if errors == 0 { Exit::Success } else { Exit::Failed })
}

/// As for `check`: the system's directories are judged as the system's manager
/// would, by whomever they are looked at.
fn settings<'u>(users: &'u SystemUsers, (given, user): Where<'_>) -> Settings<'u> {
    let system = given.is_empty() && !user;
    let euid = if system { 0 } else { runtime::effective_uid().unwrap_or(0) };
    Settings { strict_owner: system, look_at_commands: false, ..Settings::new(users, euid) }
}

fn check(name: &str) -> Result<(), Error> {
    let Some(why) = wrong_entity_name(name) else { return Ok(()) };
    let why = format!("`{name}` is no name of a unit: it {why}");
    Err(Error::Refused(Refusal::BadParameter { parameter: "NAME".to_owned(), why }))
}

fn unknown(name: &str, nearest: Option<String>, directories: &[PathBuf]) -> Error {
    let directories = directories.to_vec();
    Error::UnknownUnit { name: name.to_owned(), nearest, directories }
}

fn read(path: PathBuf) -> Result<File, Error> {
    match fs::read(&path) {
        Ok(bytes) => Ok(File { text: String::from_utf8_lossy(&bytes).into_owned(), path }),
        Err(cause) => Err(Error::Read { path, cause }),
    }
}

fn heading(path: &Path) -> String {
    format!("# {}", harmless(&path.display().to_string()))
}

fn lines_of(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", harmless(&line.replace('\t', "    ")))).collect()
}
