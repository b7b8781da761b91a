//! Where ham itself is among cgroups: in a leaf below the one that it was started
//! in. Controllers count for the children of a cgroup only where no process is in
//! that cgroup itself, the root of the machine excepted (cgroups(7), "no internal
//! processes"). Moves processes of ham, and nobody else's.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};

use super::cgroup::{HAM_NO_CGROUP, processes, remove_empty, subdirectories, switched_off, write};
use super::session::Ancestry;
use super::shortage::{MEMORY, PASSED_ON, passes_on};
use super::{CgroupTree, mounts};
use crate::process::{self, Stat};
use crate::{Errno, Result, SysError};

/// The leaf. No tree of a manager has this name: there are no dots in theirs.
const LEAF: &str = "ham.supervisor";

/// Who is in a cgroup, and who is to be moved there.
const PROCESSES: &str = "cgroup.procs";

/// How often `leave_leaf` looks for who was born while the others were moved.
const LEAVE_PASSES: u32 = 8;

/// Others that a remark names.
const NAMED: usize = 3;

/// Where ham is, and what it has to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Own {
    /// The cgroup of this process.
    pub(super) here: PathBuf,
    /// The one that the tree is made in: the same, or the one above the leaf.
    pub(super) base: PathBuf,
    /// The latter as /proc tells it.
    pub(super) told: PathBuf,
}

impl Own {
    pub(super) fn find() -> std::result::Result<Own, String> {
        let (here, told) = mounts::own_cgroup()?;
        Ok(Own::of(here, told))
    }

    fn of(here: PathBuf, mut told: PathBuf) -> Own {
        let mut base = here.clone();
        // At the root of a cgroup namespace the name stands in no path, and
        // nothing above can be reached.
        if here.ends_with(LEAF) && told.ends_with(LEAF) {
            base.pop();
            told.pop();
        }
        Own { here, base, told }
    }

    /// Whether this process may move others from here and to below.
    ///
    /// # Errors
    /// Why not, as a sentence for people.
    pub(super) fn writable(&self) -> std::result::Result<(), String> {
        // A process may be moved by who may write to the nearest common ancestor
        // of where it comes from and where it goes (cgroups(7)).
        faccessat(AT_FDCWD, &self.base.join(PROCESSES), AccessFlags::W_OK, AtFlags::AT_EACCESS)
            .map_err(|errno| {
                format!("{} is not delegated to ham: {}", self.base.display(), Errno::from(errno))
            })
    }

    fn is_in_leaf(&self) -> bool {
        self.here != self.base
    }
}

/// Moves this process, which has no children yet, into the leaf, where its cgroup
/// is one that it has to itself. `launcher`: a process of ham beside it that ends
/// soon and may stay. Gives a remark for people where ham has to stay among others.
pub fn settle(launcher: Option<i32>) -> Option<String> {
    let own = if switched_off(HAM_NO_CGROUP) { None } else { Own::find().ok() }?;
    // The root of the hierarchy has no type, and may have processes.
    if own.is_in_leaf() || !own.here.join("cgroup.type").exists() || own.writable().is_err() {
        return None;
    }
    let without = |why: String| {
        Some(format!(
            "{why}: ham stays in its cgroup {}, and no controller can be enabled below it, so \
             memory is not counted for entities",
            own.here.display()
        ))
    };
    if systemd_has_kept(&own.here) {
        return without("systemd has not delegated it (Delegate=yes)".into());
    }
    let ours = [Some(process::pid()), launcher];
    // Nought is somebody whom this PID namespace does not see.
    let others: Vec<i32> =
        members(&own.here).into_iter().filter(|pid| !ours.contains(&Some(*pid))).collect();
    if !others.is_empty() {
        return without(format!("other processes are in it ({})", named(&others)));
    }
    match enter(&own.here.join(LEAF)) {
        Ok(()) => None,
        Err(error) => without(format!("could not move to {LEAF} ({})", Errno::from(error))),
    }
}

fn enter(leaf: &Path) -> io::Result<()> {
    // One in which somebody was once killed is made afresh, as each is.
    let _ = remove_empty(leaf);
    match fs::create_dir(leaf) {
        // Of a manager on another runtime directory.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (),
        made => made?,
    }
    // Nought: who writes it.
    write(leaf, PROCESSES, "0").inspect_err(|_| {
        let _ = fs::remove_dir(leaf);
    })
}

/// Who is in a cgroup itself, with a nought for each that is not seen from here.
fn members(cgroup: &Path) -> Vec<i32> {
    let text = fs::read_to_string(cgroup.join(PROCESSES)).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

fn named(pids: &[i32]) -> String {
    let name = |pid: &i32| match process::name_of(*pid) {
        Some(name) => format!("{name} ({pid})"),
        None => "of another PID namespace".into(),
    };
    let names: Vec<String> = pids.iter().take(NAMED).map(name).collect();
    let more = pids.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    names.join(", ") + &more
}

/// Whether a cgroup is of a unit of systemd that is managed by that alone: it puts
/// further processes of the unit right into it, which fails where controllers are
/// enabled below. To those that it has delegated it gives a mark.
fn systemd_has_kept(cgroup: &Path) -> bool {
    let is_unit = |dir: &&Path| {
        let kind = dir.extension().and_then(|extension| extension.to_str());
        matches!(kind, Some("service" | "scope"))
    };
    // What is below a unit was made by somebody else.
    let Some(unit) = cgroup.ancestors().find(is_unit) else { return false };
    // The first can be read by anybody (systemd 251), the second by root.
    !["user.delegate", "trusted.delegate"].iter().any(|name| mark(unit, name) == Some(b'1'))
}

/// The value of an extended attribute of one letter.
fn mark(dir: &Path, name: &str) -> Option<u8> {
    let path = CString::new(dir.as_os_str().as_bytes()).ok()?;
    let name = CString::new(name).ok()?;
    let mut value = [0u8; 1];
    // SAFETY: two C strings that live over the call, and the kernel writes at most
    // one byte to where there is one.
    let length = unsafe {
        libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len())
    };
    (length == 1).then_some(value[0])
}

impl CgroupTree {
    /// At the very end, when nothing of the tree is left: what [`settle`] has done
    /// is undone, so that the cgroup is as it was found and can be used again.
    /// Moves `reaper` and what hangs below it; where somebody else is in the leaf,
    /// or has a tree of his own beside, all stays as it is.
    ///
    /// # Errors
    /// Those of moving and removing; what was done is then of no harm.
    pub fn leave_leaf(&self, reaper: i32) -> Result<()> {
        let (base, leaf) = (self.base(), self.here());
        let failed = |error: io::Error| SysError::new("leave", leaf.display().to_string(), error);
        let beside = subdirectories(base).into_iter().filter(|dir| dir != leaf).count();
        if leaf == base || beside > 0 {
            return Ok(());
        }
        let mut family = Ancestry::new(reaper);
        let mut is_ours = |pid: i32| {
            // Who has ended meanwhile hinders nobody.
            let mut below = || Stat::of(pid).is_none_or(|it| family.covers(&it) != Some(false));
            pid == reaper || below()
        };
        if !members(leaf).into_iter().all(&mut is_ours) {
            return Ok(());
        }
        if passes_on(base, MEMORY) {
            write(base, PASSED_ON, &format!("-{MEMORY}")).map_err(failed)?;
        }
        // First, so that whoever is born from here on is born there.
        write(base, PROCESSES, &reaper.to_string()).map_err(failed)?;
        for _ in 0..LEAVE_PASSES {
            let all = processes(leaf);
            if all.is_empty() {
                break;
            }
            for pid in all {
                // One that has ended meanwhile need not go.
                let _ = write(base, PROCESSES, &pid.to_string());
            }
        }
        fs::remove_dir(leaf).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_stands_beside_the_leaf() {
        let own = Own::of("/sys/fs/cgroup/a".into(), "/a".into());
        assert_eq!((own.base.clone(), own.is_in_leaf()), ("/sys/fs/cgroup/a".into(), false));
        let own = Own::of("/sys/fs/cgroup/a/ham.supervisor".into(), "/a/ham.supervisor".into());
        assert_eq!((own.base.clone(), own.told.clone()), ("/sys/fs/cgroup/a".into(), "/a".into()));
        assert!(own.is_in_leaf());
        // Mounted there, and the root of a namespace.
        let own = Own::of("/ham.supervisor".into(), "/".into());
        assert_eq!((own.base.clone(), own.is_in_leaf()), ("/ham.supervisor".into(), false));
    }

    #[test]
    fn what_is_no_unit_was_kept_by_no_systemd() {
        let folder = std::env::temp_dir().join(format!("ham-kept-{}", process::pid()));
        let inner = folder.join("x.service/ham-1/units/web/9-1");
        fs::create_dir_all(&inner).unwrap();
        fs::create_dir_all(folder.join("x.slice")).unwrap();
        assert!(!systemd_has_kept(&folder));
        assert!(!systemd_has_kept(&folder.join("x.slice")));
        // Nobody has marked it.
        assert!(systemd_has_kept(&inner));
        assert!(systemd_has_kept(&folder.join("x.service")));
        fs::remove_dir_all(&folder).unwrap();
    }
}
