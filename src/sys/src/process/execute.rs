//! Becoming another program in place, as a shell's child does; and what this
//! process is to its parent and its descendants.

use std::ffi::{CString, c_char};

use nix::sys::statfs::FsType;

use super::{pid, pointers};
use crate::{Errno, Result, SysError};

unsafe extern "C" {
    /// environ(7).
    static environ: *const *const c_char;
}

/// Executes a command in the place of this process; its first word is looked
/// for in PATH if it has no slash (execvp(3), which lets /bin/sh read a text
/// that names no interpreter). `environment` `None`: the one of this process.
/// Returns on failure only, with the reason. For a process with one thread.
pub fn execute(command: &[CString], environment: Option<&[CString]>) -> Errno {
    let Some(program) = command.first() else { return Errno::EINVAL };
    let arguments = pointers(command);
    let environment = environment.map(pointers);
    // SAFETY: `environ` is the C library's, and nobody changes it in a process
    // with one thread; all others are C strings in arrays that end in null.
    unsafe {
        let environment = environment.as_ref().map_or(environ, |list| list.as_ptr());
        libc::execvpe(program.as_ptr(), arguments.as_ptr(), environment);
    }
    Errno::last()
}

/// Lets the kernel send a signal to this process when its parent ends
/// (PR_SET_PDEATHSIG). The parent may have ended before: whoever calls this
/// compares [`super::parent_pid`] with what it was.
///
/// # Errors
/// EINVAL for a number that is no signal.
pub fn set_parent_death_signal(signal: i32) -> Result<()> {
    // SAFETY: prctl takes integers here.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal as libc::c_ulong) } != 0 {
        return Err(SysError::last("ask for", "a signal at the end of the parent"));
    }
    Ok(())
}

/// Whether orphans below this process become its children though it is not
/// PID 1.
pub fn is_child_subreaper() -> bool {
    let mut on: libc::c_int = 0;
    // SAFETY: the kernel writes one int to where we point.
    let result = unsafe { libc::prctl(libc::PR_GET_CHILD_SUBREAPER, &raw mut on) };
    result == 0 && on != 0
}

/// What tells this process from all others, as its pidfd has it: the inode in
/// the kernel's file system of processes (Linux 6.9). `None` before that.
pub fn own_pidfd_inode() -> Option<u64> {
    /// PID_FS_MAGIC of linux/magic.h.
    const PID_FS: FsType = FsType(0x5049_4446);
    let own = super::PidFd::open(pid()).ok()?;
    let kind = nix::sys::statfs::fstatfs(&own).ok()?.filesystem_type();
    let inode = nix::sys::stat::fstat(&own).ok()?.st_ino;
    (kind == PID_FS).then_some(inode)
}

/// All processes below this one, zombies too, in no particular order. `None`:
/// /proc is not there, or is that of another PID namespace.
pub fn descendants() -> Option<Vec<i32>> {
    let own = std::fs::read_link("/proc/self").ok()?;
    if own.to_str()?.parse() != Ok(pid()) {
        return None;
    }
    let entries = std::fs::read_dir("/proc").ok()?.flatten();
    let all: Vec<(i32, i32)> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, super::parent_of(pid)?)))
        .collect();
    let mut found = vec![pid()];
    let mut looked_at = 0;
    while let Some(parent) = found.get(looked_at).copied() {
        found.extend(all.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        looked_at = looked_at.saturating_add(1);
    }
    found.remove(0);
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_executed_says_why() {
        let words = |words: &[&str]| -> Vec<CString> {
            words.iter().map(|word| CString::new(*word).unwrap()).collect()
        };
        assert_eq!(execute(&words(&["/nonexistent/program"]), None), Errno::ENOENT);
        assert_eq!(execute(&words(&["/dev/null"]), Some(&[])), Errno::EACCES);
        assert_eq!(execute(&[], None), Errno::EINVAL);
    }

    #[test]
    fn descendants_are_found_through_their_parents() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "sleep 60 & echo $!; wait"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = child.stdout.as_mut().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
        let grandchild: i32 = line.trim().parse().unwrap();
        let found = descendants().unwrap();
        assert!(found.contains(&i32::try_from(child.id()).unwrap()), "{found:?}");
        assert!(found.contains(&grandchild), "{found:?}");
        assert!(!found.contains(&pid()));
        super::super::kill_child(grandchild);
        child.wait().unwrap();
    }
}
