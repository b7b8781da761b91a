//! Where unit files are looked for, by the system's manager and by a user's.
//! Names directories; whether they exist is for the loader to see.

use std::ffi::OsString;
use std::path::PathBuf;

/// The system's, the first wins: what the administrator wrote, what was made
/// for this boot, what was installed by hand, what packages brought.
const SYSTEM: [&str; 4] = ["/etc/ham", "/run/ham/units", "/usr/local/lib/ham", "/usr/lib/ham"];

/// The search path of the system's manager.
#[must_use]
pub fn system_directories() -> Vec<PathBuf> {
    SYSTEM.iter().map(PathBuf::from).collect()
}

/// The search path of the caller's own manager, by the XDG Base Directory
/// Specification: configuration, run time, data.
#[must_use]
pub fn user_directories() -> Vec<PathBuf> {
    own_in(std::env::var_os)
}

fn own_in(variable: impl Fn(&'static str) -> Option<OsString>) -> Vec<PathBuf> {
    // The specification: a path that is empty or relative counts as not set.
    let path = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let below_home = |rest| path("HOME").map(|home| home.join(rest));
    [
        path("XDG_CONFIG_HOME").or_else(|| below_home(".config")).map(|path| path.join("ham")),
        path("XDG_RUNTIME_DIR").map(|path| path.join("ham/units")),
        path("XDG_DATA_HOME").or_else(|| below_home(".local/share")).map(|path| path.join("ham")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_directories_follow_the_specification() {
        let variable = |name: &'static str| match name {
            "HOME" => Some("/home/mia".into()),
            "XDG_RUNTIME_DIR" => Some("/run/user/1000".into()),
            "XDG_DATA_HOME" => Some("relative".into()),
            _ => None,
        };
        let expected =
            ["/home/mia/.config/ham", "/run/user/1000/ham/units", "/home/mia/.local/share/ham"];
        assert_eq!(own_in(variable), expected.map(PathBuf::from));
        assert_eq!(own_in(|_| None), Vec::<PathBuf>::new());
    }
}
