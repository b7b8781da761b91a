//! `hamctl import FILE.service…`: units of systemd as units of ham, with a
//! report. Needs no manager. Here files are read and written; what becomes of
//! them is decided in `import`.

use crate::error::Error;
use crate::exit::Exit;
use crate::import::{self, Context, Entry, Imported, Name, Outcome, Owner};
use crate::output::{self, Output};
use crate::render::diagnostics;
use ham_unit::{
    Diagnostic, Settings, SystemUsers, UserEntry, Users, check_text, wrong_entity_name,
};
use serde::Serialize;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The longest file that is read, in bytes, as for units.
const LONGEST: u64 = 1024 * 1024;
/// Where systemd has units of the machine. A file of one of them has drop-ins
/// in all; those in an earlier one go before later ones of the same name.
const SYSTEM: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// The options of the verb.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) files: Vec<PathBuf>,
    /// Where units are written to; none for standard output.
    pub(crate) directory: Option<PathBuf>,
    pub(crate) force: bool,
    pub(crate) strict: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    units: Vec<Unit<'a>>,
}

/// One unit of it.
#[derive(Serialize)]
struct Unit<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
    text: &'a str,
    report: &'a [Entry],
}

/// A service with its texts.
struct Source {
    name: Name,
    texts: Vec<(String, String)>,
}

/// See the file.
pub(super) fn run(
    program: &str,
    wish: &Wish,
    user: bool,
    uid: Option<u32>,
    output: Output,
) -> Result<Exit, Error> {
    let users = SystemUsers::new();
    let sources = wish.files.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let owner = if user { own(uid, &users) } else { Owner::system() };
    let mut context = Context { owner, aliases: BTreeMap::new() };
    for source in &sources {
        for alias in import::aliases(&source.name, &source.texts, &context) {
            context.aliases.insert(alias, source.name.file.clone());
        }
    }
    let mut all: Vec<Imported> = sources
        .iter()
        .map(|source| import::import(&source.name, &source.texts, &context))
        .collect();
    let mut seen = BTreeSet::new();
    if let Some(twice) = all.iter().find(|unit| !seen.insert(unit.entity.clone())) {
        return Err(Error::Import {
            file: twice.entity.clone(),
            why: "two of the files become this one unit".to_owned(),
        });
    }
    let users = Lenient { real: users, missing: RefCell::default() };
    for (unit, source) in all.iter_mut().zip(&sources) {
        verify(unit, source, &users, uid)?;
    }
    let paths = match &wish.directory {
        Some(directory) => write_all(directory, &all, wish.force)?,
        None => Vec::new(),
    };
    print(program, &all, &paths, output)?;
    let bad = |entry: &&Entry| {
        entry.outcome == Outcome::NoEquivalent
            || wish.strict && entry.outcome == Outcome::Approximated
    };
    let lost = all.iter().any(|unit| unit.entries.iter().any(|entry| bad(&entry)));
    Ok(if lost { Exit::Lost } else { Exit::Success })
}

/// For one's own manager, what its specifiers stand for.
fn own(uid: Option<u32>, users: &SystemUsers) -> Owner {
    let uid = uid.unwrap_or(0);
    let entry = users.user(&uid.to_string()).ok().flatten();
    let variable = |name: &str| std::env::var(name).ok().filter(|value| value.starts_with('/'));
    let home = variable("HOME").or(entry.as_ref().map(|entry| entry.home.clone()));
    let home = home.unwrap_or_else(|| "/".to_owned());
    let below =
        |name: &str, usual: &str| variable(name).unwrap_or_else(|| format!("{home}/{usual}"));
    let state = below("XDG_STATE_HOME", ".local/state");
    let places = [
        variable("XDG_RUNTIME_DIR").unwrap_or_else(|| format!("/run/user/{uid}")),
        state.clone(),
        below("XDG_CACHE_HOME", ".cache"),
        format!("{state}/log"),
        below("XDG_CONFIG_HOME", ".config"),
    ];
    let (user, shell) = match entry {
        Some(entry) => (entry.name, entry.shell),
        None => (uid.to_string(), "/bin/sh".to_owned()),
    };
    Owner { own: true, user, uid, home, shell, places }
}

/// Reads a service and its drop-ins. `x@y.service` that is not there is the
/// instance of the template beside it.
fn read(path: &Path) -> Result<Source, Error> {
    let base = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let base = base.unwrap_or_default();
    let refuse =
        |why: &str| Error::Import { file: path.display().to_string(), why: why.to_owned() };
    let Some(name) = Name::of(&base) else {
        return Err(refuse(import::instead_of(&base).unwrap_or("it is no service")));
    };
    if let Some(why) = wrong_entity_name(&name.entity).filter(|_| !name.is_template()) {
        return Err(refuse(&format!("its name {why}")));
    }
    let parent = path.parent().unwrap_or(Path::new(""));
    let template = name.template().filter(|_| !path.exists());
    let main = template.as_ref().map_or(path.to_owned(), |template| parent.join(template));
    let text = text_of(&main)?;
    if text.trim().is_empty() {
        return Err(refuse("it is empty, which masks it: a link to /dev/null masks a unit of ham"));
    }
    let mut texts = vec![(main.display().to_string(), text)];
    let mut stems = Vec::new();
    stems.extend(name.template());
    stems.push(base);
    for (_, path) in drop_ins(parent, &stems) {
        texts.push((path.display().to_string(), text_of(&path)?));
    }
    Ok(Source { name, texts })
}

/// Drop-ins in the order in which they count: by file name.
fn drop_ins(parent: &Path, stems: &[String]) -> BTreeMap<String, PathBuf> {
    let system = SYSTEM.iter().any(|directory| Path::new(directory) == parent);
    let directories: Vec<PathBuf> =
        if system { SYSTEM.iter().map(PathBuf::from).collect() } else { vec![parent.to_owned()] };
    let mut found = BTreeMap::new();
    // The instance's own before those of its template, as in systemd.
    for stem in stems.iter().rev() {
        for directory in &directories {
            let Ok(entries) = fs::read_dir(directory.join(format!("{stem}.d"))) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.ends_with(".conf") && !name.starts_with('.') {
                    found.entry(name).or_insert_with(|| entry.path());
                }
            }
        }
    }
    found
}

fn text_of(path: &Path) -> Result<String, Error> {
    let failed = |cause| Error::Read { path: path.to_owned(), cause };
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(LONGEST.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LONGEST {
        return Err(failed(std::io::Error::other("it is longer than 1 MiB")));
    }
    String::from_utf8(bytes).map_err(|_| failed(std::io::Error::other("it is not UTF-8")))
}

/// The users of this machine, and whoever is asked for beside them: the unit
/// may be for another machine, or its package not be installed yet.
#[derive(Debug)]
struct Lenient {
    real: SystemUsers,
    missing: RefCell<BTreeSet<String>>,
}

/// Whoever is not there has this number while the unit is looked at.
const NOBODY: u32 = 65534;

impl Users for Lenient {
    fn user(&self, name: &str) -> Result<Option<UserEntry>, String> {
        if let Ok(Some(user)) = self.real.user(name) {
            return Ok(Some(user));
        }
        self.missing.borrow_mut().insert(format!("user {name}"));
        Ok(Some(UserEntry {
            name: name.to_owned(),
            uid: NOBODY,
            gid: NOBODY,
            home: "/".to_owned(),
            shell: "/bin/sh".to_owned(),
        }))
    }

    fn group(&self, name: &str) -> Result<Option<u32>, String> {
        if let Ok(Some(group)) = self.real.group(name) {
            return Ok(Some(group));
        }
        self.missing.borrow_mut().insert(format!("group {name}"));
        Ok(Some(NOBODY))
    }

    fn groups_of(&self, user: &str) -> Result<Vec<u32>, String> {
        self.real.groups_of(user)
    }
}

/// Checks a unit as a manager would. An error in it is one of this program.
fn verify(
    unit: &mut Imported,
    source: &Source,
    users: &Lenient,
    uid: Option<u32>,
) -> Result<(), Error> {
    users.missing.borrow_mut().clear();
    let settings = Settings { look_at_commands: false, ..Settings::new(users, uid.unwrap_or(0)) };
    // A template is looked at as one of its instances.
    let instance = if source.name.is_template() { "instance" } else { "" };
    let name = format!("{}{instance}", unit.entity);
    let loaded = check_text(&name, &format!("{}.toml", unit.entity), &unit.text, &settings);
    let errors: Vec<Diagnostic> =
        loaded.diagnostics.into_iter().filter(Diagnostic::is_error).collect();
    if !errors.is_empty() {
        let file = source.texts.first().map(|(file, _)| file.clone()).unwrap_or_default();
        let why = format!(
            "the unit that it becomes has errors. That is a bug of hamctl import, please report \
             it:\n{}",
            diagnostics::plain(&errors).trim_end()
        );
        return Err(Error::Import { file, why });
    }
    for who in users.missing.borrow().iter() {
        unit.entries.push(Entry {
            file: format!("{}.toml", unit.entity),
            line: None,
            key: "not on this machine".to_owned(),
            outcome: Outcome::NoMeaning,
            text: format!("{who}: the unit is refused until it is there"),
        });
    }
    Ok(())
}

/// Writes every unit, or none when one is there already.
fn write_all(directory: &Path, all: &[Imported], force: bool) -> Result<Vec<PathBuf>, Error> {
    let paths: Vec<PathBuf> =
        all.iter().map(|unit| directory.join(format!("{}.toml", unit.entity))).collect();
    if let Some(path) = paths.iter().find(|path| !force && path.symlink_metadata().is_ok()) {
        let cause = std::io::Error::other("it is there already; --force replaces it");
        return Err(Error::File { path: path.clone(), cause });
    }
    for (unit, path) in all.iter().zip(&paths) {
        // Beside it and moved there, since a manager may be looking.
        let new = directory.join(format!(".{}.toml.new", unit.entity));
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o644)
            .open(&new)
            .and_then(|mut file| file.write_all(unit.text.as_bytes()))
            .and_then(|()| fs::rename(&new, path));
        if let Err(cause) = written {
            let _ = fs::remove_file(&new);
            return Err(Error::File { path: path.clone(), cause });
        }
    }
    Ok(paths)
}

fn print(program: &str, all: &[Imported], paths: &[PathBuf], output: Output) -> Result<(), Error> {
    if output.json {
        let units = all.iter().enumerate().map(|(index, unit)| Unit {
            name: &unit.entity,
            path: paths.get(index).cloned(),
            text: &unit.text,
            report: &unit.entries,
        });
        return output.print_document(&Document { units: units.collect() });
    }
    for (index, unit) in all.iter().enumerate() {
        let mut lines: Vec<String> = unit.entries.iter().map(Entry::to_string).collect();
        lines.push(format!("{}.toml: {}", unit.entity, import::summary(&unit.entries)));
        if paths.is_empty() {
            let gap = if index == 0 { "" } else { "\n" };
            let title = if all.len() == 1 {
                String::new()
            } else {
                format!("{gap}# {}.toml\n", unit.entity)
            };
            output.print(&format!("{title}{}", unit.text))?;
            for line in lines {
                output::complain(program, &line);
            }
        } else {
            output.print_line(&lines.join("\n"))?;
        }
    }
    Ok(())
}
