//! Which units start with the manager, as links in the first unit directory
//! say, and the links that change it. Works on directories, asks no manager
//! and prints nothing.

use crate::error::Error;
use ham_core::wire::Refusal;
use ham_unit::{MergedValue, Settings, SystemUsers, merged, nearest, unit_files};
use serde::Serialize;
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

/// The folder of links in the first unit directory (ham.unit(5)).
const LINKS: &str = "enabled";
/// Where a link leads that switches something off.
const NOTHING: &str = "/dev/null";
/// Units below this came with a package: they start only when enabled.
const PACKAGED: &str = "/usr";
/// Mode of directories that are made: the loader trusts none that others may
/// write.
const DIRECTORY_MODE: u32 = 0o755;

/// A link that was made or taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Change {
    /// `file` leads to `target`.
    Created { file: PathBuf, target: PathBuf },
    /// `file` is gone.
    Removed { file: PathBuf },
}

/// Whether a unit starts with the manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Starts {
    /// A link says so.
    Enabled,
    /// Its file says so, and no link.
    Auto,
    /// A link says that it does not, or it was packaged and no link says that
    /// it does.
    Disabled,
    /// Its file says that it does not, and no link says otherwise.
    Manual,
    /// There is no such unit, whatever files there are.
    Masked,
}

impl Starts {
    /// The word for scripts.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Starts::Enabled => "enabled",
            Starts::Auto => "auto",
            Starts::Disabled => "disabled",
            Starts::Manual => "manual",
            Starts::Masked => "masked",
        }
    }
}

/// The unit directories, the first wins and gets the links.
#[derive(Debug)]
pub(crate) struct Places {
    directories: Vec<PathBuf>,
    first: PathBuf,
}

/// A unit as the directories have it.
#[derive(Debug)]
pub(crate) struct Unit {
    name: String,
    /// The link that masks it.
    masked_by: Option<PathBuf>,
    /// Its file; of an instance without one, its template's.
    file: Option<PathBuf>,
    /// The file that says `mask = true`.
    mask_key: Option<PathBuf>,
    /// Whether it says, with its drop-ins, that it starts with the manager. One
    /// with mistakes counts as if: when they are mended it may.
    says_auto: bool,
    /// Whether there is only a template, so that nothing starts it by itself.
    is_named_only: bool,
}

impl Places {
    /// These directories, of which there is at least one.
    ///
    /// # Errors
    /// When there is none, or no current directory for a relative one.
    pub(crate) fn new(directories: &[PathBuf]) -> Result<Places, Error> {
        let what = || "the unit directories".to_owned();
        let absolute: Result<Vec<PathBuf>, _> =
            directories.iter().map(std::path::absolute).collect();
        let directories = absolute
            .map_err(|cause| Error::Directory { what: what(), cause: cause.to_string() })?;
        let Some(first) = directories.first().cloned() else {
            let cause = "there is none".to_owned();
            return Err(Error::Directory { what: what(), cause });
        };
        Ok(Places { directories, first })
    }

    /// The unit of that name.
    ///
    /// # Errors
    /// When it is no name, or there is no such unit.
    pub(crate) fn find(&self, name: &str) -> Result<Unit, Error> {
        check_name(name)?;
        let mut unit = Unit {
            name: name.to_owned(),
            masked_by: None,
            file: None,
            mask_key: None,
            says_auto: true,
            is_named_only: false,
        };
        for directory in &self.directories {
            let path = directory.join(format!("{name}.toml"));
            if fs::symlink_metadata(&path).is_err() {
                continue;
            }
            if leads_to_nothing(&path) {
                if unit.file.is_none() && unit.masked_by.is_none() {
                    unit.masked_by = Some(path);
                }
            } else if unit.file.is_none() {
                unit.file = Some(path);
            }
        }
        let users = SystemUsers::new();
        let settings = Settings::new(&users, crate::runtime::effective_uid().unwrap_or(0));
        if unit.masked_by.is_none() {
            let merged = merged(&self.directories, name, &settings).unwrap_or_default();
            unit.mask_key = merged.masked_by;
            let says_manual = |value: &MergedValue| {
                ["entity.start", "target.start"].contains(&value.key.as_str())
                    && value.value == "\"manual\""
            };
            unit.says_auto = !merged.values.iter().any(says_manual);
        }
        if unit.file.is_none()
            && unit.masked_by.is_none()
            && let Ok(files) = unit_files(&self.directories, name, &settings)
        {
            unit.file = files.files.into_iter().next();
            unit.is_named_only = true;
        }
        if unit.file.is_none() && unit.masked_by.is_none() {
            let known = self.names();
            let near = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
            let directories = self.directories.clone();
            return Err(Error::UnknownUnit { name: name.to_owned(), nearest: near, directories });
        }
        Ok(unit)
    }

    /// Every name that there is a file of.
    fn names(&self) -> Vec<String> {
        let entries = self.directories.iter().filter_map(|path| fs::read_dir(path).ok()).flatten();
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        names.filter_map(|name| name.strip_suffix(".toml").map(str::to_owned)).collect()
    }

    fn link(&self, unit: &Unit) -> PathBuf {
        self.first.join(LINKS).join(format!("{}.toml", unit.name))
    }

    /// Whether the unit starts with the manager.
    ///
    /// # Errors
    /// When something else than a link stands where the link should.
    pub(crate) fn starts(&self, unit: &Unit) -> Result<Starts, Error> {
        let (None, Some(file)) = (&unit.masked_by, &unit.file) else { return Ok(Starts::Masked) };
        if unit.mask_key.is_some() {
            return Ok(Starts::Masked);
        }
        let link = self.link(unit);
        Ok(match target(&link)? {
            Some(_) if leads_to_nothing(&link) => Starts::Disabled,
            Some(_) => Starts::Enabled,
            None if !unit.says_auto || unit.is_named_only => Starts::Manual,
            None if is_packaged(file) => Starts::Disabled,
            None => Starts::Auto,
        })
    }

    /// Has the unit start with the manager.
    ///
    /// # Errors
    /// When it is masked, or the link cannot be made.
    pub(crate) fn enable(&self, unit: &Unit) -> Result<Vec<Change>, Error> {
        let (None, Some(file)) = (&unit.masked_by, &unit.file) else {
            let link = unit.masked_by.as_deref().unwrap_or(Path::new(NOTHING)).display();
            let why = format!("{link} masks it; `hamctl unmask {}` undoes that", unit.name);
            return Err(refused("enable", unit, why));
        };
        if let Some(key) = &unit.mask_key {
            let why = format!("{} says mask = true; take that away", key.display());
            return Err(refused("enable", unit, why));
        }
        let link = self.link(unit);
        if target(&link)?.as_ref() == Some(file) {
            return Ok(Vec::new());
        }
        make(&link, file)
    }

    /// Has the unit not start with the manager.
    ///
    /// # Errors
    /// When the link cannot be made or taken away.
    pub(crate) fn disable(&self, unit: &Unit) -> Result<Vec<Change>, Error> {
        let link = self.link(unit);
        let there = target(&link)?;
        // Without a link it would start: then one has to say that it does not.
        let by_itself = unit.says_auto
            && !unit.is_named_only
            && unit.file.as_deref().is_some_and(|file| !is_packaged(file));
        match there {
            Some(_) if by_itself && leads_to_nothing(&link) => Ok(Vec::new()),
            Some(_) | None if by_itself => make(&link, Path::new(NOTHING)),
            Some(_) => remove(link),
            None => Ok(Vec::new()),
        }
    }

    /// Has the unit not be there.
    ///
    /// # Errors
    /// When its file stands where the link should, or the link cannot be made.
    pub(crate) fn mask(&self, unit: &Unit) -> Result<Vec<Change>, Error> {
        let link = self.first.join(format!("{}.toml", unit.name));
        if leads_to_nothing(&link) {
            return Ok(Vec::new());
        }
        if fs::symlink_metadata(&link).is_ok() {
            let (file, name) = (link.display(), &unit.name);
            let why = format!(
                "{file} is its own file, in the place of the link; move that away, or use \
                 `hamctl disable {name}`"
            );
            return Err(refused("mask", unit, why));
        }
        make(&link, Path::new(NOTHING))
    }

    /// Undoes [`Places::mask`].
    ///
    /// # Errors
    /// When it is masked in another directory, or the link cannot be removed.
    pub(crate) fn unmask(&self, unit: &Unit) -> Result<Vec<Change>, Error> {
        let link = self.first.join(format!("{}.toml", unit.name));
        match &unit.masked_by {
            None => match &unit.mask_key {
                Some(key) => {
                    let why = format!("{} says mask = true; take that away", key.display());
                    Err(refused("unmask", unit, why))
                }
                None => Ok(Vec::new()),
            },
            Some(masking) if *masking == link => remove(link),
            Some(masking) => {
                let (masking, first) = (masking.display(), self.first.display());
                let why = format!("{masking} masks it, which is not in {first}; remove that");
                Err(refused("unmask", unit, why))
            }
        }
    }
}

impl Unit {
    /// Its file; `None`: there is only the link that masks it.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

fn refused(verb: &'static str, unit: &Unit, why: String) -> Error {
    Error::Unit { verb, name: unit.name.clone(), why }
}

/// What is no name of a unit, or not of one that can start by itself.
fn check_name(name: &str) -> Result<(), Error> {
    let why = if name.contains(['*', '?']) {
        "is a pattern, and units are named one by one here"
    } else if name.ends_with('@') {
        "is a template; name an instance of it, with something behind the `@`"
    } else if name.is_empty() || name.contains('/') || name.starts_with(['.', '-']) {
        "is no name of a unit, which is that of its file without `.toml`"
    } else {
        return Ok(());
    };
    let why = format!("`{name}` {why}");
    Err(Error::Refused(Refusal::BadParameter { parameter: "NAME".to_owned(), why }))
}

fn leads_to_nothing(path: &Path) -> bool {
    fs::canonicalize(path).is_ok_and(|target| target == Path::new(NOTHING))
}

fn is_packaged(file: &Path) -> bool {
    file.starts_with(PACKAGED)
}

/// Where a link leads; `None`: there is none.
fn target(link: &Path) -> Result<Option<PathBuf>, Error> {
    let failed = |cause| Error::Link { verb: "read", path: link.to_owned(), cause };
    match fs::symlink_metadata(link) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(failed(cause)),
        Ok(found) if found.is_symlink() => fs::read_link(link).map(Some).map_err(failed),
        Ok(_) => {
            let what = link.display().to_string();
            let cause = "it should be a link, and is none; move it away".to_owned();
            Err(Error::Directory { what, cause })
        }
    }
}

/// Makes a link, in the place of one that may be there: at no moment is there
/// none.
fn make(link: &Path, target: &Path) -> Result<Vec<Change>, Error> {
    let failed = |cause| Error::Link { verb: "make", path: link.to_owned(), cause };
    if let Some(folder) = link.parent() {
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(folder).map_err(failed)?;
    }
    let name = link.file_name().unwrap_or_default().to_string_lossy();
    // The loader looks at no name with a dot at its beginning.
    let beside = link.with_file_name(format!(".{name}.{}", std::process::id()));
    symlink(target, &beside).map_err(failed)?;
    if let Err(cause) = fs::rename(&beside, link) {
        let _ = fs::remove_file(&beside);
        return Err(failed(cause));
    }
    Ok(vec![Change::Created { file: link.to_owned(), target: target.to_owned() }])
}

fn remove(link: PathBuf) -> Result<Vec<Change>, Error> {
    match fs::remove_file(&link) {
        Ok(()) => Ok(vec![Change::Removed { file: link }]),
        Err(cause) => Err(Error::Link { verb: "remove", path: link, cause }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_packages_brought_is_told_by_its_place() {
        assert!(is_packaged(Path::new("/usr/lib/ham/web.toml")));
        assert!(is_packaged(Path::new("/usr/local/lib/ham/web.toml")));
        assert!(!is_packaged(Path::new("/etc/ham/web.toml")));
        assert!(!is_packaged(Path::new("/usrlocal/web.toml")));
    }

    #[test]
    fn names_are_taken_one_by_one() {
        assert!(check_name("web-1.x").is_ok() && check_name("web@1").is_ok());
        for name in ["", "we*", "web@", "../web", ".web", "-x"] {
            let error = check_name(name).unwrap_err().to_string();
            assert!(error.starts_with(&format!("NAME: `{name}` is ")), "{error}");
        }
    }
}
