//! The directories that an entity has of its own: made before its process,
//! told to it by variables, and those in the runtime folder removed again.
//! All of it blocks: for spawner and clearing threads only.

use super::environment::Environment;
use crate::facts::{ERROR_DIRECTORY, ERROR_DIRECTORY_STEP};
use ham_core::plan::{DirectoryPlace, DirectoryPlan, EntityPlan, KeepDirectory};
use ham_sys::{Errno, SysError, directory, process};
use std::ffi::OsString;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Places in the order of their error words, with their variables.
const PLACES: [(DirectoryPlace, &str); 4] = [
    (DirectoryPlace::Runtime, "RUNTIME_DIRECTORY"),
    (DirectoryPlace::State, "STATE_DIRECTORY"),
    (DirectoryPlace::Cache, "CACHE_DIRECTORY"),
    (DirectoryPlace::Logs, "LOGS_DIRECTORY"),
];

/// The part of ham's own directory that is its entities'.
const IN_OWN: &str = "entities";

/// Where directories are made. `None`: this manager has no such place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bases {
    runtime: Option<PathBuf>,
    state: Option<PathBuf>,
    cache: Option<PathBuf>,
    logs: Option<PathBuf>,
    /// Ham's own directory, which no entity gets, nor one around it.
    own: PathBuf,
    /// Of those that are missing.
    mode: u32,
}

impl Bases {
    /// Of this manager: root's has the system's, any other those of its user.
    /// `own`: ham's runtime directory, where that user has none.
    pub(super) fn of_manager(own: &Path) -> Bases {
        let variable = |name: &str| std::env::var_os(name);
        Bases::of(process::effective_uid(), own, variable)
    }

    fn of(uid: u32, own: &Path, variable: impl Fn(&str) -> Option<OsString>) -> Bases {
        if uid == 0 {
            let path = |path: &str| Some(PathBuf::from(path));
            return Bases {
                runtime: path("/run"),
                state: path("/var/lib"),
                cache: path("/var/cache"),
                logs: path("/var/log"),
                own: own.to_owned(),
                mode: 0o755,
            };
        }
        // A relative path is to be ignored (XDG Base Directory Specification).
        let named =
            |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let below_home = |path: &str| named("HOME").map(|home| home.join(path));
        let state = named("XDG_STATE_HOME").or_else(|| below_home(".local/state"));
        Bases {
            // One level down, so that no entity's name is that of a file of ham's.
            runtime: named("XDG_RUNTIME_DIR").or_else(|| Some(own.join(IN_OWN))),
            cache: named("XDG_CACHE_HOME").or_else(|| below_home(".cache")),
            logs: state.as_ref().map(|state| state.join("log")),
            state,
            own: own.to_owned(),
            // As that specification has it.
            mode: 0o700,
        }
    }

    /// Of a test: below a folder, without a place for logs.
    #[cfg(test)]
    pub(super) fn below(folder: &Path) -> Bases {
        let place = |name: &str| Some(folder.join(name));
        Bases {
            runtime: place("run"),
            state: place("lib"),
            cache: place("cache"),
            logs: None,
            own: folder.join("run/ham"),
            mode: 0o755,
        }
    }

    fn get(&self, place: DirectoryPlace) -> Option<&Path> {
        match place {
            DirectoryPlace::Runtime => self.runtime.as_deref(),
            DirectoryPlace::State => self.state.as_deref(),
            DirectoryPlace::Cache => self.cache.as_deref(),
            DirectoryPlace::Logs => self.logs.as_deref(),
        }
    }

    /// Makes the directories of an entity, which belong to its user.
    ///
    /// # Errors
    /// The error word for the slot: which place, and the error number.
    pub(super) fn make(&self, plan: &EntityPlan) -> Result<(), u64> {
        let owner = plan.identity.as_ref().map_or_else(
            || (process::effective_uid(), process::effective_gid()),
            |identity| (identity.uid, identity.gid),
        );
        for planned in &plan.directories {
            let failed = |errno: Errno| error_word(planned.place, errno);
            let base = self.get(planned.place).ok_or(failed(Errno::ENOENT))?;
            let mut builder = std::fs::DirBuilder::new();
            builder
                .recursive(true)
                .mode(self.mode)
                .create(base)
                .map_err(|error| failed(error.into()))?;
            for name in &planned.names {
                if self.is_hams(base, name) {
                    return Err(failed(Errno::EBUSY));
                }
                directory::make(base, Path::new(name), planned.mode, owner)
                    .map_err(|error| failed(error.errno))?;
            }
        }
        Ok(())
    }

    /// Whether this is ham's own directory, or holds it, or is a part of it: a
    /// unit that says so would give away, or remove, the state.
    fn is_hams(&self, base: &Path, name: &str) -> bool {
        let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let (own, path) = (whole(&self.own), whole(base).join(name));
        own.starts_with(&path) || (path.starts_with(&own) && !path.starts_with(own.join(IN_OWN)))
    }

    /// The variables that tell an entity of its directories: absolute paths,
    /// with colons between.
    pub(super) fn tell(&self, plan: &EntityPlan, environment: &mut Environment) {
        for (place, variable) in PLACES {
            let Some(base) = self.get(place) else { continue };
            let here = plan.directories.iter().filter(|planned| planned.place == place);
            let names = here.flat_map(|planned| &planned.names);
            let paths: Vec<OsString> = names.map(|name| base.join(name).into()).collect();
            if !paths.is_empty() {
                environment.set(variable, paths.join(std::ffi::OsStr::new(":")));
            }
        }
    }

    /// Removes the runtime directories that go with the entity's processes.
    /// `deadline_ns`: of the monotonic clock.
    pub(super) fn tidy(
        &self,
        directories: &[DirectoryPlan],
        restarts: bool,
        deadline_ns: u64,
    ) -> Vec<SysError> {
        let Some(base) = self.get(DirectoryPlace::Runtime) else { return Vec::new() };
        let going = directories.iter().filter(|planned| goes(planned, restarts));
        let names = going.flat_map(|planned| &planned.names);
        names
            .filter(|name| !self.is_hams(base, name))
            .filter_map(|name| directory::remove(base, Path::new(name), deadline_ns).err())
            .collect()
    }
}

/// Whether a directory is removed now that the processes are gone.
pub(super) fn goes(planned: &DirectoryPlan, restarts: bool) -> bool {
    let kept = match planned.keep {
        KeepDirectory::No => false,
        KeepDirectory::Restart => restarts,
        KeepDirectory::Yes => true,
    };
    planned.place == DirectoryPlace::Runtime && !kept
}

fn error_word(place: DirectoryPlace, errno: Errno) -> u64 {
    let number = PLACES.iter().zip(0..).find(|((known, _), _)| *known == place);
    let step = number.map_or(0, |(_, number)| number * ERROR_DIRECTORY_STEP);
    (ERROR_DIRECTORY + step) | u64::from(errno.0.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::spawn_error;
    use ham_core::ids::EntityId;
    use ham_core::plan::Identity;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn plan(directories: Vec<DirectoryPlan>) -> EntityPlan {
        let mut plan = EntityPlan::new(EntityId(1), "web", vec!["true".to_owned()]);
        plan.directories = directories;
        plan
    }

    fn planned(place: DirectoryPlace, names: &[&str], keep: KeepDirectory) -> DirectoryPlan {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        DirectoryPlan { place, names, mode: 0o750, keep }
    }

    fn folder(what: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("ham-{what}-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        folder
    }

    #[test]
    fn a_users_manager_has_the_places_of_its_user() {
        let own = Path::new("/tmp/ham-7");
        let none = |_: &str| None;
        let system = Bases::of(0, own, |_| Some("/elsewhere".into()));
        assert_eq!(system.get(DirectoryPlace::Runtime), Some(Path::new("/run")));
        assert_eq!(system.get(DirectoryPlace::Logs), Some(Path::new("/var/log")));
        let home = |name: &str| (name == "HOME").then(|| "/home/u".into());
        let user = Bases::of(7, own, home);
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(
            (user.runtime, user.state, user.cache, user.logs),
            (
                path("/tmp/ham-7/entities"),
                path("/home/u/.local/state"),
                path("/home/u/.cache"),
                path("/home/u/.local/state/log")
            )
        );
        let named = |name: &str| match name {
            "XDG_RUNTIME_DIR" => Some("/run/user/7".into()),
            "XDG_STATE_HOME" => Some("/s".into()),
            "XDG_CACHE_HOME" => Some("relative".into()),
            _ => None,
        };
        let user = Bases::of(7, own, named);
        assert_eq!(
            (user.runtime, user.state, user.cache, user.logs),
            (path("/run/user/7"), path("/s"), None, path("/s/log"))
        );
        assert_eq!(Bases::of(7, own, none).state, None);
    }

    #[test]
    fn directories_are_made_told_and_removed() {
        let folder = folder("directories");
        let bases = Bases::below(&folder);
        let plan = plan(vec![
            planned(DirectoryPlace::Runtime, &["web", "web/sub"], KeepDirectory::No),
            planned(DirectoryPlace::Runtime, &["stays"], KeepDirectory::Restart),
            planned(DirectoryPlace::Runtime, &["ever"], KeepDirectory::Yes),
            planned(DirectoryPlace::State, &["a/b"], KeepDirectory::No),
        ]);
        assert_eq!(bases.make(&plan), Ok(()));
        let there = || {
            let names = ["run/web/sub", "run/web", "run/stays", "run/ever", "lib/a/b"];
            names.map(|name| folder.join(name).is_dir())
        };
        assert_eq!(there(), [true; 5]);
        let mode = std::fs::metadata(folder.join("run/web")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o750);
        let mut environment = Environment::default();
        bases.tell(&plan, &mut environment);
        let run = folder.join("run");
        let run = run.display();
        let paths = format!("{run}/web:{run}/web/sub:{run}/stays:{run}/ever");
        assert_eq!(environment.get("RUNTIME_DIRECTORY").unwrap(), paths.as_str());
        let state = folder.join("lib/a/b");
        assert_eq!(environment.get("STATE_DIRECTORY").unwrap(), state.as_os_str());
        assert_eq!(environment.get("CACHE_DIRECTORY"), None);
        for _ in 0..2 {
            assert_eq!(bases.tidy(&plan.directories, true, u64::MAX), []);
            assert_eq!(there(), [false, false, true, true, true]);
        }
        assert_eq!(bases.tidy(&plan.directories, false, u64::MAX), []);
        assert_eq!(there(), [false, false, false, true, true]);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn they_belong_to_the_user_of_the_entity() {
        if process::effective_uid() != 0 {
            eprintln!("SKIPPED: root is needed to give directories away");
            return;
        }
        let folder = folder("directory-owners");
        let mut plan = plan(vec![planned(DirectoryPlace::Cache, &["c"], KeepDirectory::No)]);
        plan.identity = Some(Identity {
            uid: 1234,
            gid: 2345,
            groups: Vec::new(),
            user: String::new(),
            home: String::new(),
            shell: String::new(),
        });
        assert_eq!(Bases::below(&folder).make(&plan), Ok(()));
        let found = std::fs::metadata(folder.join("cache/c")).unwrap();
        assert_eq!((found.uid(), found.gid()), (1234, 2345));
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// Also when the way there leads through a link, as /var/run does.
    #[test]
    fn hams_own_directory_is_no_entitys() {
        let folder = folder("directory-own");
        std::fs::create_dir_all(folder.join("real/ham")).unwrap();
        std::os::unix::fs::symlink("real", folder.join("run")).unwrap();
        let busy = Errno::EBUSY;
        let refused =
            format!("could not make its runtime directory: {busy}; it is ham's own, or around it");
        let mut bases = Bases::below(&folder);
        for own in ["run/ham", "real/ham"] {
            bases.own = folder.join(own);
            for name in ["ham", "ham/inner", "ham/"] {
                let plan = plan(vec![planned(DirectoryPlace::Runtime, &[name], KeepDirectory::No)]);
                assert_eq!(bases.make(&plan).map_err(spawn_error), Err(refused.clone()), "{name}");
                assert_eq!(bases.tidy(&plan.directories, false, u64::MAX), []);
            }
        }
        assert!(folder.join("real/ham").is_dir());
        let fine = ["hamster", "ham/entities/web"];
        let plan = plan(vec![planned(DirectoryPlace::Runtime, &fine, KeepDirectory::No)]);
        assert_eq!(bases.make(&plan), Ok(()));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn an_error_names_the_place() {
        let folder = folder("directory-errors");
        let bases = Bases::below(&folder);
        let told = |place| {
            let plan = plan(vec![planned(place, &["../x"], KeepDirectory::No)]);
            bases.make(&plan).map_err(spawn_error)
        };
        let invalid = Errno::EINVAL;
        let expected = format!("could not make its runtime directory: {invalid}");
        assert_eq!(told(DirectoryPlace::Runtime), Err(expected));
        let expected = format!("could not make its cache directory: {invalid}");
        assert_eq!(told(DirectoryPlace::Cache), Err(expected));
        let expected = format!("could not make its logs directory: {}", Errno::ENOENT);
        assert_eq!(told(DirectoryPlace::Logs), Err(expected));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
