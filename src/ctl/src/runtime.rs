//! Finds the runtime directory of the manager that is meant, and with it the
//! control socket. Looks, and creates nothing.

use crate::arguments::Arguments;
use crate::error::Error;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The system's manager (file-hierarchy: /run is tmpfs and root's).
const SYSTEM: &str = "/run/ham";
/// Name of the control socket in a runtime directory.
const SOCKET: &str = "control";

/// Where the manager is to be found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its runtime directory.
    pub(crate) directory: PathBuf,
    /// Whether this is the system's manager, by default and not by choice.
    pub(crate) system: bool,
}

impl Place {
    /// The control socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join(SOCKET)
    }
}

/// What the choice depends on, besides the command line.
#[derive(Debug)]
struct Surroundings {
    ham_runtime_dir: Option<PathBuf>,
    /// The socket of the manager that the caller is a process of.
    ham_control: Option<PathBuf>,
    xdg_runtime_dir: Option<PathBuf>,
    temporary: PathBuf,
    system: PathBuf,
    /// Effective user id, where /proc tells it.
    uid: Option<u32>,
}

/// The place that the options and the environment name.
///
/// # Errors
/// When one's own directory under the temporary folder is not safe to use.
pub(crate) fn place(arguments: &Arguments) -> Result<Place, Error> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let surroundings = Surroundings {
        ham_runtime_dir: variable("HAM_RUNTIME_DIR").map(PathBuf::from),
        ham_control: variable("HAM_CONTROL").map(PathBuf::from),
        xdg_runtime_dir: variable("XDG_RUNTIME_DIR").map(PathBuf::from),
        temporary: std::env::temp_dir(),
        system: PathBuf::from(SYSTEM),
        uid: effective_uid(),
    };
    choose(arguments.runtime_dir.as_deref(), arguments.user, &surroundings)
}

fn choose(given: Option<&Path>, user: bool, around: &Surroundings) -> Result<Place, Error> {
    let chosen = |directory: &Path| Place { directory: directory.to_owned(), system: false };
    if let Some(directory) = given.or(around.ham_runtime_dir.as_deref()) {
        return Ok(chosen(directory));
    }
    if user {
        return own(around).map(|directory| chosen(&directory));
    }
    // A process of an entity means the manager that it is of.
    let control = around.ham_control.as_deref().filter(|path| path.ends_with(SOCKET));
    if let Some(directory) = control.and_then(Path::parent) {
        return Ok(chosen(directory));
    }
    let root = around.uid.is_none_or(|uid| uid == 0);
    if !root && !around.system.join(SOCKET).exists() {
        // Without a socket of one's own the system's manager stays the one
        // that the error message is about.
        if let Ok(directory) = own(around)
            && directory.join(SOCKET).exists()
        {
            return Ok(chosen(&directory));
        }
    }
    Ok(Place { directory: around.system.clone(), system: true })
}

/// The runtime directory of the caller's own manager.
fn own(around: &Surroundings) -> Result<PathBuf, Error> {
    if let Some(directory) = &around.xdg_runtime_dir {
        return Ok(directory.join("ham"));
    }
    let unusable =
        |what: String, cause: &str| Err(Error::Directory { what, cause: cause.to_owned() });
    let Some(uid) = around.uid else {
        let cause = "the own user id is not in /proc/self/status; use --runtime-dir";
        return unusable("one's own runtime directory".to_owned(), cause);
    };
    let directory = around.temporary.join(format!("ham-{uid}"));
    let what = directory.display().to_string();
    // Anybody may create names under the temporary folder: what is there must
    // be a directory of the caller that nobody else can enter, or requests
    // would go to a stranger.
    match fs::symlink_metadata(&directory) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(directory),
        Err(cause) => unusable(what, &cause.to_string()),
        Ok(found) if !found.is_dir() => unusable(what, "it is not a directory"),
        Ok(found) if found.uid() != uid => unusable(what, "it belongs to another user"),
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            unusable(what, "others may enter it (its mode should be 0700)")
        }
        Ok(_) => Ok(directory),
    }
}

/// The effective user id, by proc(5): second number of the line `Uid:`.
pub(crate) fn effective_uid() -> Option<u32> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A temporary folder that goes away with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path =
                std::env::temp_dir().join(format!("hamctl-runtime-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn around(folder: &Folder, uid: u32) -> Surroundings {
        Surroundings {
            ham_runtime_dir: None,
            ham_control: None,
            xdg_runtime_dir: None,
            temporary: folder.0.clone(),
            system: folder.0.join("run"),
            uid: Some(uid),
        }
    }

    #[test]
    fn the_option_goes_before_the_variable_and_that_before_user() {
        let folder = Folder::new("order");
        let mut around = around(&folder, 0);
        around.xdg_runtime_dir = Some("/x".into());
        assert_eq!(choose(None, true, &around).unwrap().directory, Path::new("/x/ham"));
        assert_eq!(choose(None, false, &around).unwrap().directory, folder.0.join("run"));
        assert!(choose(None, false, &around).unwrap().system);
        around.ham_runtime_dir = Some("/v".into());
        assert_eq!(choose(None, true, &around).unwrap().directory, Path::new("/v"));
        let given = choose(Some(Path::new("/o")), true, &around).unwrap();
        assert_eq!(given, Place { directory: "/o".into(), system: false });
    }

    #[test]
    fn a_process_of_an_entity_means_its_own_manager() {
        let folder = Folder::new("entity");
        let mut around = around(&folder, 1000);
        around.ham_control = Some("/mine/control".into());
        let mine = Place { directory: "/mine".into(), system: false };
        assert_eq!(choose(None, false, &around).unwrap(), mine);
        around.xdg_runtime_dir = Some("/x".into());
        assert_eq!(choose(None, true, &around).unwrap().directory, Path::new("/x/ham"));
        around.ham_runtime_dir = Some("/v".into());
        assert_eq!(choose(None, false, &around).unwrap().directory, Path::new("/v"));
    }

    #[test]
    fn ones_own_manager_is_taken_when_there_is_no_other() {
        let folder = Folder::new("default");
        let mut around = around(&folder, 1000);
        around.xdg_runtime_dir = Some(folder.0.join("xdg"));
        assert!(choose(None, false, &around).unwrap().system, "there is neither");
        fs::create_dir_all(folder.0.join("xdg/ham")).unwrap();
        fs::write(folder.0.join("xdg/ham/control"), "").unwrap();
        let own = choose(None, false, &around).unwrap();
        assert_eq!(own, Place { directory: folder.0.join("xdg/ham"), system: false });
        fs::create_dir_all(folder.0.join("run")).unwrap();
        fs::write(folder.0.join("run/control"), "").unwrap();
        assert!(choose(None, false, &around).unwrap().system, "there are both");
        around.uid = Some(0);
        assert!(choose(None, false, &around).unwrap().system, "root's is the system's");
    }

    #[test]
    fn a_strangers_directory_under_the_temporary_folder_is_refused() {
        let folder = Folder::new("own");
        let uid = fs::metadata(&folder.0).unwrap().uid();
        let around = around(&folder, uid);
        let path = folder.0.join(format!("ham-{uid}"));
        assert_eq!(choose(None, true, &around).unwrap().directory, path, "not there yet");

        fs::create_dir(folder.0.join("elsewhere")).unwrap();
        symlink(folder.0.join("elsewhere"), &path).unwrap();
        assert!(choose(None, true, &around).is_err(), "a symlink");
        fs::remove_file(&path).unwrap();

        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        assert!(choose(None, true, &around).is_err(), "open to the group");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(choose(None, true, &around).unwrap().directory, path);

        let mut stranger = around;
        stranger.uid = Some(uid + 1);
        fs::create_dir(folder.0.join(format!("ham-{}", uid + 1))).unwrap();
        assert!(choose(None, true, &stranger).is_err(), "another owner");
    }

    #[test]
    fn the_own_user_id_is_found() {
        let uid = effective_uid().unwrap();
        let mine = fs::metadata("/proc/self").unwrap().uid();
        assert_eq!(uid, mine);
    }
}
